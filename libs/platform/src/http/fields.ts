import { applyDecorators } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { isEmail, ValidateBy, type ValidationArguments } from 'class-validator';
import { isId } from '#kernel';
import { ConvertedBy, depthWithin, QueryMap, TOO_LARGE } from './validation.js';

interface FieldOptions {
  description?: string;
  example?: unknown;
  /** The field must be given. */
  required?: boolean;
  /** `null` is taken: on a patch it clears the field. */
  nullable?: boolean;
}

interface Rule {
  holds(value: unknown): boolean;
  message: string;
}

const rule = (message: string, holds: (value: unknown) => boolean): Rule => ({ message, holds });

const isString = rule('must be a string', (value) => typeof value === 'string');

const lengthOf = (min: number, max: number): Rule =>
  rule(`must be ${min} to ${max} characters long`, (value) => {
    const { length } = value as string;
    return length >= min && length <= max;
  });

/** A lone surrogate cannot be stored as UTF-8 and NUL not in every database, so short texts take neither. */
const wellFormed = rule('must be well-formed Unicode without NUL', (value) => {
  const text = value as string;
  return text.isWellFormed() && !text.includes('\0');
});

const noneTwice = rule('must not name the same entry twice', (value) => {
  const items = value as unknown[];
  return new Set(items).size === items.length;
});

/**
 * One decorator a field: what is checked and what the OpenAPI document says come from the same line. The rules
 * are one constraint to class-validator, whose cost grows with their number; the first that fails is told.
 */
function field(options: FieldOptions, schema: ApiPropertyOptions, ...rules: Rule[]): PropertyDecorator {
  const { required = false, nullable = false, ...shown } = options;
  const broken = (value: unknown): Rule | undefined => {
    if ((value === undefined && !required) || (value === null && nullable)) return undefined;
    return rules.find(({ holds }) => !holds(value));
  };
  const documented = { ...schema, ...shown, required, ...(nullable && { nullable }) } as ApiPropertyOptions;
  const validate = (value: unknown) => broken(value) === undefined;
  const defaultMessage = (broke?: ValidationArguments) => broken(broke?.value)?.message ?? '';
  return applyDecorators(
    ApiProperty(documented),
    ValidateBy({ name: 'field', validator: { validate, defaultMessage } }),
  );
}

export const TextField = (
  options: FieldOptions & { max: number; pattern?: RegExp; hint?: string },
): PropertyDecorator => {
  const { max, pattern, hint = 'has characters that are not allowed', ...rest } = options;
  return field(
    rest,
    { type: String, minLength: 1, maxLength: max, ...(pattern && { pattern: pattern.source }) },
    isString,
    lengthOf(1, max),
    wellFormed,
    ...(pattern ? [rule(hint, (value) => pattern.test(value as string))] : []),
  );
};

export const EmailField = (options: FieldOptions): PropertyDecorator =>
  field(
    { example: 'alice@example.com', ...options },
    { type: String, format: 'email', maxLength: 254 },
    isString,
    rule('must be an email address', (value) => isEmail(value)),
    lengthOf(3, 254),
    wellFormed,
  );

/** E.164, as in ITU-T E.164: a plus sign and up to 15 digits. */
export const PhoneField = (options: FieldOptions): PropertyDecorator =>
  TextField({
    example: '+41446681800',
    ...options,
    max: 16,
    pattern: /^\+[1-9]\d{1,14}$/,
    hint: 'must be a phone number in E.164 form such as +41446681800',
  });

export const IdField = (options: FieldOptions): PropertyDecorator =>
  field(
    options,
    { type: String, format: 'uuid' },
    rule('must be a UUID', (value) => typeof value === 'string' && isId(value)),
  );

export const ChoiceField = (options: FieldOptions & { of: readonly string[] }): PropertyDecorator => {
  const { of, ...rest } = options;
  return field(
    rest,
    { type: String, enum: [...of] },
    rule(`must be one of ${of.join(', ')}`, (value) => of.includes(value as string)),
  );
};

/** One or more of the choices. */
export const ChoiceListField = (options: FieldOptions & { of: readonly string[] }): PropertyDecorator => {
  const { of, ...rest } = options;
  return field(
    rest,
    { type: 'array', items: { type: 'string', enum: [...of] }, minItems: 1, uniqueItems: true },
    rule('must be a list', (value) => Array.isArray(value)),
    rule('must not be empty', (value) => (value as unknown[]).length > 0),
    rule(`must hold only ${of.join(', ')}`, (value) =>
      (value as unknown[]).every((item) => of.includes(item as string)),
    ),
    noneTwice,
  );
};

export const BooleanField = (options: FieldOptions): PropertyDecorator =>
  field(
    options,
    { type: Boolean },
    rule('must be true or false', (value) => typeof value === 'boolean'),
  );

export const TextListField = (
  options: FieldOptions & { maxItems: number; max: number; pattern: RegExp },
): PropertyDecorator => {
  const { maxItems, max, pattern, ...rest } = options;
  const isItem = (item: unknown) => typeof item === 'string' && item.length <= max && pattern.test(item);
  return field(
    rest,
    { type: 'array', items: { type: 'string', maxLength: max, pattern: pattern.source }, maxItems },
    rule('must be a list', (value) => Array.isArray(value)),
    rule(`must hold at most ${maxItems} entries`, (value) => (value as unknown[]).length <= maxItems),
    rule(`must hold texts of 1 to ${max} allowed characters`, (value) => (value as unknown[]).every(isItem)),
    noneTwice,
  );
};

/** A query parameter `field[KEY]=VALUE` that may come several times: a Map of texts by KEY. */
export const QueryMapField = (options: FieldOptions & { maxEntries: number }): PropertyDecorator => {
  const { maxEntries, ...rest } = options;
  const entries = (value: unknown) => [...(value as Map<string, unknown>).values()];
  return applyDecorators(
    QueryMap,
    field(
      rest,
      {
        type: 'object',
        additionalProperties: { type: 'string' },
        maxProperties: maxEntries,
        style: 'deepObject',
        explode: true,
      } as ApiPropertyOptions,
      rule('must be given as FIELD[KEY]=VALUE', (value) => value instanceof Map),
      rule(`must name at most ${maxEntries} keys`, (value) => entries(value).length <= maxEntries),
      rule('must name each key once', (value) => entries(value).every((entry) => typeof entry === 'string')),
    ),
  );
};

/** An amount in USD as a decimal string or a number; the handler reads it with `parseUsd`. */
export const UsdField = (options: FieldOptions): PropertyDecorator =>
  field(
    { example: '12.50', ...options },
    {
      oneOf: [
        { type: 'string', pattern: '^\\d{1,9}(\\.\\d{1,6})?$' },
        { type: 'number', minimum: 0, maximum: 999_999_999 },
      ],
    } as ApiPropertyOptions,
    rule('must be an amount in USD such as "12.50" with at most 6 decimals', (value) =>
      typeof value === 'string' || typeof value === 'number'
        ? /^\d{1,9}(\.\d{1,6})?$/.test(String(value))
        : false,
    ),
  );

/** A query parameter that names a revision; it arrives as a number. */
export const RevisionField = (options: FieldOptions): PropertyDecorator =>
  applyDecorators(
    ConvertedBy((value) => (/^\d{1,15}$/.test(String(value)) ? Number(value) : value)),
    field(
      { example: 3, ...options },
      { type: 'integer', minimum: 0 },
      rule('must be a revision such as 3', (value) => typeof value === 'number'),
    ),
  );

export const TimeField = (options: FieldOptions): PropertyDecorator =>
  field(
    { example: '2030-01-31T12:00:00Z', ...options },
    { type: String, format: 'date-time' },
    rule('must be a time in RFC 3339 UTC form such as 2030-01-31T12:00:00Z', isTime),
  );

/** A day that the month does not have would roll over into the next. */
function isTime(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(value)) return false;
  const time = Date.parse(value);
  return !Number.isNaN(time) && new Date(time).toISOString().slice(0, 19) === value.slice(0, 19);
}

const RATE_LIMIT_NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;
const MAX_RATE_LIMITS = 50;
const MAX_RATE = 1_000_000_000;
const MAX_WINDOW_SECONDS = 31_536_000;

const isCount = (value: unknown, max: number): boolean =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isRateLimit([name, value]: [string, unknown]): boolean {
  if (name in Object.prototype || !RATE_LIMIT_NAME.test(name) || !isObject(value)) return false;
  const { limit, window_seconds, ...rest } = value;
  return (
    isCount(limit, MAX_RATE) && isCount(window_seconds, MAX_WINDOW_SECONDS) && Object.keys(rest).length === 0
  );
}

/** Rate limits by name: `{requests: {limit: 100, window_seconds: 60}}`. */
export const RateLimitsField = (options: FieldOptions): PropertyDecorator =>
  field(
    { example: { requests: { limit: 100, window_seconds: 60 } }, ...options },
    {
      type: 'object',
      additionalProperties: {
        type: 'object',
        properties: {
          limit: { type: 'integer', minimum: 1, maximum: MAX_RATE },
          window_seconds: { type: 'integer', minimum: 1, maximum: MAX_WINDOW_SECONDS },
        },
        required: ['limit', 'window_seconds'],
        additionalProperties: false,
      },
      maxProperties: MAX_RATE_LIMITS,
    },
    rule('must be an object', isObject),
    rule(
      `must hold at most ${MAX_RATE_LIMITS} entries`,
      (value) => Object.keys(value as object).length <= MAX_RATE_LIMITS,
    ),
    rule(
      'must map names to a limit and window_seconds, both whole numbers above 0 and nothing else',
      (value) => Object.entries(value as object).every(isRateLimit),
    ),
  );

const METADATA_MAX_BYTES = 16 * 1024;
const METADATA_MAX_DEPTH = 8;

/** Any JSON object; its keys are plain data, whatever they are called. */
export const MetadataField = (options: FieldOptions): PropertyDecorator =>
  field(
    { example: { plan: 'pro' }, ...options },
    { type: 'object', additionalProperties: true },
    rule('must be an object', isObject),
    rule(`${TOO_LARGE}: at most ${METADATA_MAX_DEPTH} levels`, (value) =>
      depthWithin(value, METADATA_MAX_DEPTH),
    ),
    rule(
      `${TOO_LARGE}: at most 16 KiB`,
      (value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_MAX_BYTES,
    ),
  );
