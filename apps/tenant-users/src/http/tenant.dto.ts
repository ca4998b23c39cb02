import { ApiProperty } from '@nestjs/swagger';
import type { JsonObject } from '#kernel';
import { MetadataField, PageOf, TextField } from '#platform';

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

export class TenantDeletionResource {
  @ApiProperty({ format: 'uuid' })
  tenant_id!: string;
  @ApiProperty({ enum: ['pending', 'completed'] })
  status!: 'pending' | 'completed';
  @ApiProperty({ format: 'date-time' })
  requested_at!: string;
  @ApiProperty({
    description: 'Users that had not been deleted completely by then, and any whose creation was under way.',
    example: 12,
  })
  users_total!: number;
  @ApiProperty({ description: 'Of these, those whose deletion has been requested.', example: 12 })
  users_deleted!: number;
  @ApiProperty({ description: 'Of these, those whose deletion is completed.', example: 7 })
  users_completed!: number;
  @ApiProperty({ type: String, nullable: true, format: 'date-time', example: null })
  completed_at!: string | null;
  @ApiProperty({ description: 'The place of the latest step in the log, as a decimal string.' })
  position!: string;
}

export class TenantPage extends PageOf(TenantResource) {}
