import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { FieldError } from '#kernel';
import { DATA_SCHEMAS, type JsonSchema, messageSchema } from './schemas.js';

const ajv = new Ajv();
const compiled = new Map<string, ValidateFunction>();

/** Consumers take fields that they don't know yet: a newer producer may add some without a new version. */
function tolerant(schema: JsonSchema): JsonSchema {
  const properties = schema.properties as { [name: string]: JsonSchema };
  const data = properties.data;
  return {
    ...schema,
    additionalProperties: true,
    properties: { ...properties, data: { ...data, additionalProperties: true } },
  };
}

function validatorOf(type: string, exact: boolean): ValidateFunction {
  const known = Object.hasOwn(DATA_SCHEMAS, type) ? type : '';
  const key = `${exact}:${known}`;
  let validator = compiled.get(key);
  if (!validator) {
    const schema = messageSchema(known);
    validator = ajv.compile(exact ? schema : tolerant(schema));
    compiled.set(key, validator);
  }
  return validator;
}

function fieldError(error: ErrorObject): FieldError {
  const inner: unknown = error.params.missingProperty ?? error.params.additionalProperty;
  const path = error.instancePath.split('/').slice(1);
  if (typeof inner === 'string') path.push(inner);
  return { field: path.join('.'), message: error.message ?? 'is not valid' };
}

/**
 * The first thing wrong with a message as `{field, message}` (never its values); empty when it fits.
 * Unknown fields are let through unless `exact` is asked for, which is what producers test themselves with.
 * The data of types that are not Tenantry's own is not looked into.
 */
export function validateMessage(message: unknown, { exact = false } = {}): FieldError[] {
  const type = (message as { type?: unknown } | null)?.type;
  const validator = validatorOf(typeof type === 'string' ? type : '', exact);
  return validator(message) ? [] : (validator.errors ?? []).map(fieldError);
}
