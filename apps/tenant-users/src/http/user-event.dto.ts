import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import type { Actor, Json } from '#kernel';

const ACTOR_TYPES = ['root_key', 'platform_key', 'user_key', 'system'] as const satisfies Actor['type'][];

class EventActor implements Actor {
  @ApiProperty({ enum: ACTOR_TYPES })
  type!: Actor['type'];
  @ApiProperty({ description: "The key's id, or the name of what the system did." })
  id!: string;
}

const FieldValue = (example: string) =>
  ApiProperty({
    example,
    oneOf: [
      { type: 'string', nullable: true },
      { type: 'array', items: { type: 'string' } },
      { type: 'object', additionalProperties: true },
    ],
  });

class FieldChange {
  @FieldValue('active')
  from!: Json;
  @FieldValue('suspended')
  to!: Json;
}

@ApiExtraModels(FieldChange)
export class UserEventResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ example: 'tenant-user.updated.v2' })
  type!: string;
  @ApiProperty({ description: 'The place of the event in the log, as a decimal string.' })
  position!: string;
  @ApiProperty({ description: "The user's version from this event on." })
  revision!: number;
  @ApiProperty({ format: 'date-time' })
  at!: string;
  @ApiProperty({ type: EventActor })
  actor!: EventActor;
  @ApiProperty({ description: 'The `request_id` of the request that it began with.' })
  correlation_id!: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { $ref: getSchemaPath(FieldChange) },
    description: 'By field. Once the user is deleted, personal values are `null`.',
  })
  changes!: { [field: string]: FieldChange };
}

export class UserEventPage {
  @ApiProperty({ type: [UserEventResource] })
  data!: UserEventResource[];
  @ApiProperty({ type: String, nullable: true })
  next_cursor!: string | null;
}
