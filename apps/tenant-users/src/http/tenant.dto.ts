import { ApiProperty } from '@nestjs/swagger';
import type { JsonObject } from '#kernel';
import { MetadataField, TextField } from '#platform';

const SETTINGS = 'Your own settings of this tenant: any JSON object; at most 16 KiB and 8 levels.';

export class CreateTenantBody {
  @TextField({ required: true, max: 255, example: 'Globex' })
  name!: string;

  @TextField({
    max: 255,
    nullable: true,
    example: 'customer-7',
    description: 'Your own stable id of this customer: unique in the platform, and never changed.',
  })
  external_id?: string | null;

  @MetadataField({ description: SETTINGS })
  settings?: JsonObject;
}

export class UpdateTenantBody {
  @TextField({ max: 255, example: 'Globex' })
  name?: string;

  @MetadataField({ description: `${SETTINGS} Replaced as a whole.` })
  settings?: JsonObject;
}

export class TenantResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ example: 'Globex' })
  name!: string;
  @ApiProperty({ type: String, nullable: true, example: 'customer-7' })
  external_id!: string | null;
  @ApiProperty({ type: 'object', additionalProperties: true })
  settings!: JsonObject;
  @ApiProperty()
  is_default!: boolean;
  @ApiProperty({ format: 'uuid' })
  default_user_id!: string;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}

export class TenantPage {
  @ApiProperty({ type: [TenantResource] })
  data!: TenantResource[];
  @ApiProperty({ type: String, nullable: true })
  next_cursor!: string | null;
  @ApiProperty()
  total!: number;
}
