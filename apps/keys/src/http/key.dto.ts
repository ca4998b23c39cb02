import { ApiProperty } from '@nestjs/swagger';
import { IsInt, IsString, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import { PageOf, TextField, TextListField, TimeField } from '#platform';

const SCOPE = /^[A-Za-z0-9][A-Za-z0-9_.:*-]*$/;
const SCOPE_MAX_LENGTH = 64;
const KEY_MAX_LENGTH = 1_000;
/** 30 days. */
const MAX_GRACE_SECONDS = 2_592_000;
const GRACE_RULE = `must be a whole number from 0 to ${MAX_GRACE_SECONDS}`;
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
      'Your own scopes, which verifying can ask for; they are compared as they are. Each must be one that the ' +
      "user's account kit allows. Default: all that the kit names; none when it allows any.",
  })
  scopes?: string[];

  @TimeField({ nullable: true, description: 'In the future; null for never, the default.' })
  expires_at?: string | null;
}

export class RotateKeyBody {
  @ApiProperty({
    required: false,
    type: 'integer',
    minimum: 0,
    maximum: MAX_GRACE_SECONDS,
    default: 0,
    description: 'How long the old key stays valid beside the new one.',
  })
  @Max(MAX_GRACE_SECONDS, { message: GRACE_RULE })
  @Min(0, { message: GRACE_RULE })
  @IsInt({ message: GRACE_RULE })
  @ValidateIf((_, value) => value !== undefined)
  grace_seconds?: number;
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
  @ApiProperty({
    type: String,
    nullable: true,
    example: "Alice's laptop",
    description: 'Null where it cannot be read any more.',
  })
  name!: string | null;
  @ApiProperty({ example: 'tnt_user_4fQk' })
  key_prefix!: string;
  @ApiProperty({
    type: [String],
    example: ['inference'],
    description: 'As they were granted; verifying answers those of them that the account kit allows now.',
  })
  scopes!: string[];
  @ApiProperty({
    enum: ['active', 'revoked', 'expired'],
    description: 'A rotated key is active in its grace and revoked after it.',
  })
  status!: 'active' | 'revoked' | 'expired';
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it ends: for a rotated key, the end of its grace where that comes first.',
  })
  expires_at!: string | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When it was last valid. Stored every few seconds: a crash may forget the latest uses.',
  })
  last_used_at!: string | null;
}

export class IssuedKeyResource extends KeyResource {
  @ApiProperty({ description: 'Shown this once.' })
  raw_key!: string;
}

export class KeyPage extends PageOf(KeyResource) {}

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
  @ApiProperty({
    required: false,
    type: [String],
    description: "Those of the key's scopes that the user's account kit allows now.",
  })
  scopes?: readonly string[];
}
