import 'reflect-metadata';
import { type ArgumentMetadata, Injectable, type PipeTransform, type Type } from '@nestjs/common';
import { type ValidationError, validateSync } from 'class-validator';
import { type FieldError, invalidInput, TenantryError } from '#kernel';
import { fitsPlainly } from './plain-checks.js';

const BODY_MAX_DEPTH = 32;
const CONVERSIONS = Symbol('conversions');
const QUERY_MAPS = Symbol('query maps');
const MAP_ENTRY = /^(\w+)\[(.*)\]$/s;

/** A message that begins so turns the answer into 413 `payload_too_large`. */
export const TOO_LARGE = 'is too large';

type Conversion = (value: unknown) => unknown;

/** What becomes of a field's value before it is checked; other values are taken as they came. */
export const ConvertedBy =
  (convert: Conversion): PropertyDecorator =>
  (target, property) => {
    const inherited: Map<PropertyKey, Conversion> = Reflect.getMetadata(CONVERSIONS, target) ?? new Map();
    Reflect.defineMetadata(CONVERSIONS, new Map(inherited).set(property, convert), target);
  };

/** The field gathers the query parameters `field[KEY]=VALUE` in a Map, to which every KEY is plain data. */
export const QueryMap: PropertyDecorator = (target, property) => {
  const inherited: Set<PropertyKey> = Reflect.getMetadata(QUERY_MAPS, target) ?? new Set();
  Reflect.defineMetadata(QUERY_MAPS, new Set(inherited).add(property), target);
};

/** The field is an object of a class of its own, checked by that class's rules beside `@ValidateNested`. */
export const Nested = (type: () => Type<object>): PropertyDecorator =>
  ConvertedBy((value) => (isPlainObject(value) ? instanceOf(type(), value) : value));

/**
 * Body and query checks by class-validator: unknown fields are refused, and each refused field is named. Values
 * are not copied on the way, so that JSON such as metadata arrives as it was sent, whatever its keys are called.
 */
@Injectable()
export class RequestValidation implements PipeTransform {
  async transform(value: unknown, { type, metatype }: ArgumentMetadata): Promise<unknown> {
    if (!metatype || (type !== 'body' && type !== 'query')) return value;
    const dtoType = metatype as Type<object>;
    const values = type === 'body' ? bodyObject(value) : withMaps(dtoType, value as object);
    const dto = instanceOf(dtoType, values);
    // Query parameters are all optional: none needs no check.
    if (type === 'query' && Object.keys(value as object).length === 0) return dto;
    if (fitsPlainly(dtoType, dto)) return dto;
    const errors = validateSync(dto, {
      whitelist: true,
      forbidNonWhitelisted: true,
      // Classes without fields, such as NoQuery, are known values too.
      forbidUnknownValues: false,
      stopAtFirstError: true,
      validationError: { target: false, value: false },
    });
    if (errors.length > 0) throw refusal(errors.flatMap((error) => fieldErrors(error, '')));
    return dto;
  }
}

const knownConversions = new WeakMap<Type<object>, Map<PropertyKey, Conversion> | 'none'>();

/** Looked up once: the metadata of a class never change. */
function conversionsOf(type: Type<object>): Map<PropertyKey, Conversion> | undefined {
  const known = knownConversions.get(type) ?? Reflect.getMetadata(CONVERSIONS, type.prototype) ?? 'none';
  knownConversions.set(type, known);
  return known === 'none' ? undefined : known;
}

function instanceOf<Dto extends object>(type: Type<Dto>, values: object): Dto {
  const dto = new type();
  const fields = dto as Record<string, unknown>;
  const conversions = conversionsOf(type);
  for (const [key, given] of Object.entries(values)) {
    // class-validator would take such a key for a field that it knows, and `__proto__` is no field to assign to.
    if (key in Object.prototype) throw invalidInput(key, 'is not a known field');
    fields[key] = conversions?.get(key)?.(given) ?? given;
  }
  return dto;
}

function withMaps(type: Type<object>, query: object): object {
  const names: Set<PropertyKey> | undefined = Reflect.getMetadata(QUERY_MAPS, type.prototype);
  if (!names) return query;
  const maps = new Map<string, Map<string, unknown>>();
  const plain = Object.entries(query).filter(([parameter, value]) => {
    const [, name = '', key = ''] = MAP_ENTRY.exec(parameter) ?? [];
    if (names.has(name)) maps.set(name, (maps.get(name) ?? new Map()).set(key, value));
    return !names.has(name);
  });
  // A plain `field=VALUE` beside its entries stays, for its check to refuse.
  return Object.fromEntries([...maps, ...plain]);
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** No body counts as an empty object; anything but an object would pass the checks of its fields unseen. */
function bodyObject(value: unknown): object {
  if (value === undefined) return {};
  if (!isPlainObject(value)) throw invalidInput('body', 'must be a JSON object');
  const deep = Object.entries(value).find(([, child]) => !depthWithin(child, BODY_MAX_DEPTH));
  if (deep) throw refusal([{ field: deep[0], message: `${TOO_LARGE}: at most ${BODY_MAX_DEPTH} levels` }]);
  return value;
}

/** Whether the value has at most so many levels of objects and lists. */
export function depthWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((child) => depthWithin(child, levels - 1));
}

function refusal(errors: FieldError[]): TenantryError {
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
  const tooLarge = errors.some(({ message }) => message.startsWith(TOO_LARGE));
  return new TenantryError('invalid_input', detail, {
    errors,
    ...(tooLarge && { code: 'payload_too_large' as const }),
  });
}

function fieldErrors(error: ValidationError, prefix: string): FieldError[] {
  const field = `${prefix}${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    field,
    message: rule === 'whitelistValidation' ? 'is not a known field' : withoutName(message, error.property),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, `${field}.`))];
}

/** class-validator begins its messages with the property's name, which `field` already tells. */
const withoutName = (message: string, property: string): string =>
  message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
