import { ApiProperty } from '@nestjs/swagger';
import type { JsonObject } from '#kernel';
import {
  ChoiceField,
  EmailField,
  IdField,
  LIST_ORDERS,
  type ListOrder,
  MetadataField,
  PageOf,
  PageQuery,
  PhoneField,
  QueryMapField,
  RevisionField,
  TextField,
  TextListField,
  TimeField,
} from '#platform';
import type { UserStatus } from '../domain/tenant-user.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;
const STATUSES = ['active', 'suspended', 'inactive', 'archived'] as const;

/** The fields of a user that can be given at creation and changed later. */
class UserFields {
  @EmailField({ nullable: true })
  email?: string | null;

  @TextField({ max: 255, nullable: true, example: 'alice' })
  username?: string | null;

  @TextField({ max: 100, nullable: true, example: 'Alice' })
  first_name?: string | null;

  @TextField({ max: 100, nullable: true })
  middle_name?: string | null;

  @TextField({ max: 100, nullable: true, example: 'Ainsworth' })
  last_name?: string | null;

  @PhoneField({ nullable: true })
  phone_number?: string | null;

  @TextField({ max: 255, nullable: true, example: 'Alice', description: 'A name for people to read.' })
  label?: string | null;

  @TextField({
    max: 64,
    pattern: NAME,
    example: 'member',
    description: "Default: the platform's `default_role`.",
  })
  role?: string;

  @TextListField({ maxItems: 100, max: 64, pattern: NAME, example: ['engineering'] })
  teams?: string[];

  @IdField({ description: "Default: the platform's default kit." })
  account_kit_id?: string;

  @MetadataField({ description: 'Any JSON object; at most 16 KiB and 8 levels. Replaced as a whole.' })
  metadata?: JsonObject;
}

export class CreateUserBody extends UserFields {
  @TextField({
    max: 255,
    nullable: true,
    example: 'alice_db_uuid',
    description: 'Your own stable id of this user: unique in the tenant, and never changed.',
  })
  external_id?: string | null;
}

export class CreateUserQuery {
  @ChoiceField({
    of: ['return'],
    description: 'Answer 200 with the existing user where the external_id is taken, instead of 409.',
  })
  if_exists?: 'return';
}

export class UpdateUserBody extends UserFields {
  @ChoiceField({ of: STATUSES, description: "Only an active user's keys verify and budget spends." })
  status?: UserStatus;
}

export class GetUserQuery {
  @TimeField({ description: 'The user as of this time; needs `audit:read` too.' })
  at?: string;

  @RevisionField({ description: 'The user as of this revision; needs `audit:read` too.' })
  revision?: number;
}

export class ListUsersQuery extends PageQuery {
  @TextField({ max: 255, description: 'The user with this external_id, or none.' })
  external_id?: string;

  @EmailField({ description: 'Upper and lower case count as equal.' })
  email?: string;

  @ChoiceField({ of: STATUSES })
  status?: UserStatus;

  @TextField({ max: 64, pattern: NAME })
  role?: string;

  @TextField({ max: 64, pattern: NAME, description: 'Users with this team among theirs.' })
  team?: string;

  @IdField({})
  account_kit_id?: string;

  @QueryMapField({
    maxEntries: 10,
    example: { plan: 'pro' },
    description:
      '`metadata[KEY]=VALUE`: users with this entry at the top of their metadata; a number or boolean counts as its text, and of a user the first 100 entries count. Several must all hold.',
  })
  metadata?: ReadonlyMap<string, string>;

  @TextField({
    max: 200,
    example: 'ali',
    description:
      'Users with these words in their label, names, username, email or external_id; the last one may be the beginning of a word. Upper and lower case count as equal.',
  })
  q?: string;

  @ChoiceField({ of: LIST_ORDERS, description: 'Default: `-created_at`, newest first.' })
  order?: ListOrder;
}

const nullableText = (example: string | null, format?: string) =>
  ApiProperty({ type: String, nullable: true, example, ...(format && { format }) });

export class UserResource {
  @ApiProperty({ format: 'uuid' })
  id!: string;
  @ApiProperty({ format: 'uuid' })
  tenant_id!: string;
  @nullableText('alice_db_uuid')
  external_id!: string | null;
  @nullableText('alice@example.com', 'email')
  email!: string | null;
  @ApiProperty()
  email_verified!: boolean;
  @nullableText('alice')
  username!: string | null;
  @nullableText('Alice')
  first_name!: string | null;
  @nullableText(null)
  middle_name!: string | null;
  @nullableText('Ainsworth')
  last_name!: string | null;
  @nullableText('+41446681800')
  phone_number!: string | null;
  @ApiProperty()
  phone_verified!: boolean;
  @nullableText('Alice')
  label!: string | null;
  @nullableText('member')
  role!: string | null;
  @ApiProperty({ type: [String] })
  teams!: string[];
  @ApiProperty({ enum: STATUSES })
  status!: UserStatus;
  @ApiProperty({ format: 'uuid' })
  account_kit_id!: string;
  @ApiProperty({ type: 'object', additionalProperties: true })
  metadata!: JsonObject;
  @ApiProperty()
  is_default!: boolean;
  @ApiProperty()
  onboarded!: boolean;
  @nullableText(null, 'date-time')
  last_seen_at!: string | null;
  @ApiProperty({ description: "The user's version; the ETag." })
  revision!: number;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}

export class UserPage extends PageOf(UserResource) {}

export class DeleteUserQuery {
  @ChoiceField({
    of: ['true', 'false'],
    description: 'With `true`, 200 tells what a deletion would remove, and nothing changes.',
  })
  dry_run?: 'true' | 'false';
}

export class DeletionPreview {
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'What the deletion would remove now, counted by kind.',
    example: { keys: 3, budgets: 1, connections: 2, secrets: 4 },
  })
  would_remove!: { [kind: string]: number };
}

class DeletionParticipant {
  @ApiProperty({ example: 'keys' })
  name!: string;
  @ApiProperty({ enum: ['pending', 'confirmed'] })
  status!: 'pending' | 'confirmed';
  @nullableText(null, 'date-time')
  confirmed_at!: string | null;
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'What it let go of, counted by kind; empty while it is pending.',
    example: { keys: 3 },
  })
  removed!: { [kind: string]: number };
}

export class DeletionResource {
  @ApiProperty({ format: 'uuid' })
  user_id!: string;
  @ApiProperty({ enum: ['pending', 'completed'] })
  status!: 'pending' | 'completed';
  @ApiProperty({ format: 'date-time' })
  requested_at!: string;
  @ApiProperty({ type: [DeletionParticipant] })
  participants!: DeletionParticipant[];
  @nullableText(null, 'date-time')
  personal_data_key_destroyed_at!: string | null;
  @nullableText(null, 'date-time')
  completed_at!: string | null;
  @ApiProperty({ description: 'The place of the latest step in the log, as a decimal string.' })
  position!: string;
}
