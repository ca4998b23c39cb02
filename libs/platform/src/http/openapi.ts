import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { ErrorCode } from '#kernel';
import { SCOPES } from '../access/caller.js';
import { REQUIRED_SCOPE } from '../access/requirement.js';
import { linkWhatIsMade } from './openapi-links.js';
import {
  ID_EXAMPLE,
  problemExample,
  problemSchema,
  type SchemaObject,
  TIME_EXAMPLE,
} from './problem.schema.js';

type PathItem = NonNullable<OpenAPIObject['paths'][string]>;
type OperationObject = NonNullable<PathItem['get']>;
type ParameterObject = Exclude<NonNullable<OperationObject['parameters']>[number], { $ref: string }>;
type ResponseObject = Exclude<NonNullable<OperationObject['responses'][string]>, { $ref: string }>;

const REQUEST_ID = {
  'x-request-id': {
    description: "The request's own `X-Request-Id` where sane, else one that was made.",
    schema: { type: 'string' as const },
  },
};

const DESCRIPTION = `Holds the end-users of your customers, what each may use, and a provable end when one is deleted.

A key goes in \`Authorization: Bearer KEY\` or in \`x-api-key\`. It acts in its platform's default tenant, or in the
tenant that \`X-Tenant-Id\` names. Scopes: ${SCOPES.map((scope) => `\`${scope}\``).join(', ')}; \`admin\` stands for
all. Writes answer with \`Tenantry-Position\`; a read with that value in \`Tenantry-Min-Position\` waits until it
sees the write. Errors are problem details (RFC 9457) with a \`code\`.`;

/** The OpenAPI document, generated from the code; what holds for every route is said here once. */
export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Tenantry')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .addSecurity('bearer', { type: 'http', scheme: 'bearer' })
    .addSecurity('apiKey', { type: 'apiKey', in: 'header', name: 'x-api-key' })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  const schemas = (document.components?.schemas ?? {}) as { [name: string]: SchemaObject };
  for (const schema of Object.values(schemas)) completeSchema(schema);
  schemas.Problem = problemSchema;
  document.components = { ...document.components, responses: problemAnswers() };
  for (const path of Object.values(document.paths)) {
    for (const [method, operation] of Object.entries(path)) {
      if (!isOperation(operation)) continue;
      completeOperation(method, operation);
      relaxBody(operation, schemas);
    }
  }
  linkWhatIsMade(document);
  return document;
}

const isOperation = (value: unknown): value is OperationObject =>
  typeof value === 'object' && value !== null && 'responses' in value;

/** Unknown fields are refused and never answered; a field without an example of its own gets one of its kind. */
function completeSchema(schema: SchemaObject): void {
  if (!schema.properties) return;
  schema.additionalProperties ??= false;
  for (const property of Object.values(schema.properties)) {
    if ('$ref' in property || property.example !== undefined || property.allOf) continue;
    const example = exampleOf(property);
    if (example !== undefined) property.example = example;
  }
}

function exampleOf({ format, type, enum: choices, nullable, minimum, items }: SchemaObject): unknown {
  if (choices) return choices[0];
  if (format === 'uuid') return ID_EXAMPLE;
  if (format === 'date-time') return nullable ? null : TIME_EXAMPLE;
  if (type === 'boolean') return false;
  if (type === 'number' || type === 'integer') return minimum ?? 1;
  if (type === 'object') return {};
  if (type === 'array') return items && '$ref' in items ? undefined : [];
  return nullable ? null : 'text';
}

function completeOperation(method: string, operation: OperationObject): void {
  const parameters = (operation.parameters ?? []) as ParameterObject[];
  for (const parameter of parameters) completeParameter(parameter);
  const required = (operation as { [REQUIRED_SCOPE]?: string })[REQUIRED_SCOPE];
  if (required === undefined) {
    answerWith(operation, [400, 503]);
    return;
  }
  operation.security = [{ bearer: [] }, { apiKey: [] }];
  const needs = required === 'root' ? 'Needs the root key.' : `Needs the scope ${required}.`;
  operation.description = [operation.description, needs].filter(Boolean).join(' ');
  if (required !== 'root') parameters.push(TENANT_HEADER);
  operation.parameters = parameters;
  const statuses = [400, 401, 403, 404, 429, 503];
  if (method !== 'get') statuses.push(409);
  if (parameters.some(({ name }) => name.toLowerCase() === 'if-match')) statuses.push(412);
  if (operation.requestBody) statuses.push(413);
  answerWith(operation, statuses);
}

/** A body whose fields may all be absent may be absent itself. */
function relaxBody({ requestBody }: OperationObject, schemas: { [name: string]: SchemaObject }): void {
  if (!requestBody || '$ref' in requestBody) return;
  const schema = requestBody.content['application/json']?.schema;
  const name = schema && '$ref' in schema ? schema.$ref.split('/').at(-1) : undefined;
  if (name !== undefined && !schemas[name]?.required?.length) requestBody.required = false;
}

/** A user's id has no schema of its own. */
function completeParameter(parameter: ParameterObject): void {
  const isBare = Object.keys(parameter.schema ?? {}).length === 0;
  if (isBare) parameter.schema = parameter.in === 'path' ? USER_ID : { type: 'string' };
  if (parameter.name === 'metadata') Object.assign(parameter, { style: 'deepObject', explode: true });
}

function answerWith(operation: OperationObject, statuses: readonly number[]): void {
  for (const status of statuses) operation.responses[status] ??= { $ref: `#/components/responses/${status}` };
  for (const answer of Object.values(operation.responses)) {
    if (answer && !('$ref' in answer)) answer.headers = { ...REQUEST_ID, ...answer.headers };
  }
}

const CODES: { [status: number]: { codes: readonly ErrorCode[]; when: string } } = {
  400: {
    codes: ['invalid_input'],
    when: 'A field, parameter or header is not as it must be; `errors` names each.',
  },
  401: { codes: ['unauthorized'], when: 'No key, an unknown one, or one that was revoked or has expired.' },
  403: { codes: ['forbidden'], when: 'The key lacks the scope, which `required_scope` names.' },
  404: { codes: ['not_found'], when: 'No such thing in this tenant.' },
  409: {
    codes: ['duplicate_record', 'illegal_state', 'over_budget', 'idempotency_conflict', 'conflict'],
    when: 'What is there already stands against it.',
  },
  412: { codes: ['revision_mismatch'], when: '`If-Match` is not the current revision.' },
  413: { codes: ['payload_too_large'], when: 'A body over 256 KiB, or metadata over 16 KiB or 8 levels.' },
  429: { codes: ['rate_limited'], when: 'Too many requests of this key; try again after `Retry-After`.' },
  503: {
    codes: ['unavailable', 'projection_behind'],
    when: 'A part is down, or the position of `Tenantry-Min-Position` is not reached; try again after `Retry-After`.',
  },
};

const problemAnswers = (): { [status: string]: ResponseObject } =>
  Object.fromEntries(Object.keys(CODES).map((status) => [status, problemAnswer(Number(status))]));

function problemAnswer(status: number): ResponseObject {
  const { codes = [], when = '' } = CODES[status] ?? {};
  const examples = Object.fromEntries(codes.map((code) => [code, { value: problemExample(status, code) }]));
  const content = {
    'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' }, examples },
  };
  const retryAfter = { description: 'Seconds.', schema: { type: 'string' } };
  return {
    description: `${when} Codes: ${codes.join(', ')}.`,
    content,
    headers: { ...REQUEST_ID, ...((status === 429 || status === 503) && { 'retry-after': retryAfter }) },
  };
}

const USER_ID: SchemaObject = {
  anyOf: [
    { type: 'string', format: 'uuid' },
    { type: 'string', enum: ['default'] },
  ],
};

const TENANT_HEADER: ParameterObject = {
  name: 'X-Tenant-Id',
  in: 'header',
  required: false,
  description: "The tenant to act in; the key's own when absent.",
  schema: { type: 'string', format: 'uuid' },
};
