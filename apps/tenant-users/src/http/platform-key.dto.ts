import { ApiProperty } from '@nestjs/swagger';
import { ChoiceListField, IdField, PageOf, SCOPES, type Scope, TextField, TimeField } from '#platform';

export class IssuePlatformKeyBody {
  @TextField({ required: true, max: 255, example: 'Web server' })
  name!: string;

  @ChoiceListField({
    required: true,
    of: SCOPES,
    example: ['users:read', 'users:write'],
    description: 'What the key may do; `admin` may do everything.',
  })
  scopes!: Scope[];

  @IdField({
    nullable: true,
    description: 'The only tenant that the key may act in; null for each of the platform, the default.',
  })
  tenant_id?: string | null;

  @TimeField({ nullable: true, description: 'In the future; null for never, the default.' })
  expires_at?: string | null;
}

export class PlatformKeyResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ example: 'Web server' })
  name!: string;
  @ApiProperty({ example: 'tnt_plat_4fQk' })
  key_prefix!: string;
  @ApiProperty({ enum: SCOPES, isArray: true, example: ['users:read'] })
  scopes!: Scope[];
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  tenant_id!: string | null;
  @ApiProperty({ enum: ['active', 'revoked', 'expired'] })
  status!: 'active' | 'revoked' | 'expired';
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expires_at!: string | null;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
}

export class IssuedPlatformKeyResource extends PlatformKeyResource {
  @ApiProperty({ description: 'Shown this once.' })
  raw_key!: string;
}

export class PlatformKeyPage extends PageOf(PlatformKeyResource) {}
