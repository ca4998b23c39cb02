import { ApiProperty } from '@nestjs/swagger';
import { IsObject, ValidateIf, ValidateNested } from 'class-validator';
import { Nested, PageOf, TextField, UsdField } from '#platform';
import { IssuedPlatformKeyResource } from './platform-key.dto.js';

class PlatformSettingsBody {
  @UsdField({ nullable: true, description: 'The monthly budget of each new user; null for none.' })
  default_budget_usd?: string | number | null;

  @TextField({ max: 64, pattern: /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/, example: 'member' })
  default_role?: string;
}

class PlatformFields {
  @ApiProperty({ required: false, type: PlatformSettingsBody })
  @ValidateIf((_, value) => value !== undefined)
  @IsObject({ message: 'must be an object' })
  @ValidateNested()
  @Nested(() => PlatformSettingsBody)
  settings?: PlatformSettingsBody;
}

export class CreatePlatformBody extends PlatformFields {
  @TextField({ required: true, max: 255, example: 'Acme AI' })
  name!: string;
}

export class UpdatePlatformBody extends PlatformFields {
  @TextField({ max: 255, example: 'Acme AI' })
  name?: string;
}

class PlatformSettingsResource {
  @ApiProperty({ type: String, nullable: true, example: null })
  default_budget_usd!: string | null;
  @ApiProperty({ example: 'member' })
  default_role!: string;
}

export class PlatformResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty()
  name!: string;
  @ApiProperty()
  settings!: PlatformSettingsResource;
  @ApiProperty({ format: 'uuid' })
  default_tenant_id!: string;
  @ApiProperty({ format: 'uuid' })
  default_account_kit_id!: string;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
}

export class CreatedPlatformResource extends PlatformResource {
  @ApiProperty()
  api_key!: IssuedPlatformKeyResource;
}

export class PlatformPage extends PageOf(PlatformResource) {}
