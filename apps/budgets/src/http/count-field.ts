import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';

/** A whole number from 1 to `max`. */
export function CountField(options: {
  max: number;
  required?: boolean;
  example?: number;
  default?: number;
  description?: string;
}): PropertyDecorator {
  const { max, required = false, ...shown } = options;
  const validate = (value: unknown) =>
    value === undefined ? !required : Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max;
  const defaultMessage = () => `must be a whole number from 1 to ${max}`;
  return applyDecorators(
    ApiProperty({ type: 'integer', minimum: 1, maximum: max, required, ...shown }),
    ValidateBy({ name: 'field', validator: { validate, defaultMessage } }),
  );
}
