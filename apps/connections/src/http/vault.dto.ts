import { ApiProperty } from '@nestjs/swagger';
import { IsNotEmpty, IsString, ValidateBy } from 'class-validator';
import { PageOf, TOO_LARGE } from '#platform';

const VALUE_MAX_BYTES = 64 * 1024;

const fits = (value: unknown): boolean =>
  typeof value !== 'string' || Buffer.byteLength(value) <= VALUE_MAX_BYTES;

export class PutSecretBody {
  @ApiProperty({
    minLength: 1,
    maxLength: VALUE_MAX_BYTES,
    example: 's3cr3t',
    description: 'At most 64 KiB in UTF-8. Any text comes back exactly as it came.',
  })
  @ValidateBy({
    name: 'size',
    validator: { validate: fits, defaultMessage: () => `${TOO_LARGE}: at most 64 KiB` },
  })
  @IsNotEmpty({ message: 'must not be empty' })
  @IsString({ message: 'must be a string' })
  value!: string;
}

export class SecretEntry {
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'bank.api-token',
    description: 'Null where it cannot be read any more.',
  })
  name!: string | null;
  @ApiProperty({ description: '1 for a new secret, one more each time it is replaced.' })
  version!: number;
  @ApiProperty({ format: 'date-time' })
  created_at!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}

export class SecretPage extends PageOf(SecretEntry) {}

export class SecretResource {
  @ApiProperty({ example: 'bank.api-token' })
  name!: string;
  @ApiProperty({ example: 's3cr3t' })
  value!: string;
  @ApiProperty({ format: 'date-time' })
  updated_at!: string;
}
