import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';
import { TextField, TextListField, TimeField } from '#platform';

const SCOPE = /^[A-Za-z0-9][A-Za-z0-9_.:*-]*$/;
const SCOPE_MAX_LENGTH = 64;
const KEY_MAX_LENGTH = 1_000;
const REFUSALS = ['unknown', 'revoked', 'expired', 'user_inactive', 'insufficient_scope'] as const;

export type Refusal = (typeof REFUSALS)[number];

export class IssueKeyBody {
  @TextField({ max: 255, example: "Alice's laptop", description: 'Default: `Key`.' })
  name?: string;

  @TextListField({
    maxItems: 50,
    max: SCOPE_MAX_LENGTH,
    pattern: SCOPE,
    example: ['inference'],
    description:
      'Your own scopes, which verifying can ask for; they are compared as they are. Default: none.',
  })
  scopes?: string[];

  @TimeField({ nullable: true, description: 'In the future; null for never, the default.' })
  expires_at?: string | null;
}

export class VerifyKeyBody {
  // Any text will do: what is not a key is a key that is not valid.
  @ApiProperty({ maxLength: KEY_MAX_LENGTH, example: 'tnt_user_4fQk…' })
  @MaxLength(KEY_MAX_LENGTH, { message: `must be at most ${KEY_MAX_LENGTH} characters long` })
  @IsString({ message: 'must be a string' })
  key!: string;

  @TextField({
    max: SCOPE_MAX_LENGTH,
    pattern: SCOPE,
    example: 'inference',
    description: 'A scope that the key must have.',
  })
  scope?: string;
}

export class KeyResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ format: 'uuid' })
  user_id!: string;
  @ApiProperty({ example: "Alice's laptop" })
  name!: string;
  @ApiProperty({ example: 'tnt_user_4fQk' })
  key_prefix!: string;
  @ApiProperty({ type: [String], example: ['inference'] })
  scopes!: string[];
  @ApiProperty({ enum: ['active', 'revoked', 'expired'] })
  status!: 'active' | 'revoked' | 'expired';
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expires_at!: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  last_used_at!: string | null;
}

export class IssuedKeyResource extends KeyResource {
  @ApiProperty({ description: 'Shown this once.' })
  raw_key!: string;
}

export class KeyPage {
  @ApiProperty({ type: [KeyResource] })
  data!: KeyResource[];
  @ApiProperty({ type: String, nullable: true })
  next_cursor!: string | null;
  @ApiProperty()
  total!: number;
}

export class VerificationResource {
  @ApiProperty()
  valid!: boolean;
  @ApiProperty({
    required: false,
    enum: REFUSALS,
    description: 'Why it is not valid.',
  })
  code?: Refusal;
  @ApiProperty({
    required: false,
    format: 'uuid',
    description: 'This and the following only when it is valid.',
  })
  key_id?: string;
  @ApiProperty({ required: false, format: 'uuid' })
  user_id?: string;
  @ApiProperty({ required: false, format: 'uuid' })
  tenant_id?: string;
  @ApiProperty({ required: false, type: [String] })
  scopes?: string[];
}
