import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

interface Schema {
  $ref?: string;
  properties?: { [name: string]: Schema };
  items?: Schema;
  allOf?: Schema[];
  example?: unknown;
}
interface Operation {
  operationId: string;
  'x-required-scope'?: string;
  parameters?: { name: string; schema: Schema }[];
  requestBody?: { content: { [type: string]: { schema: Schema } } };
  responses: { [status: string]: { $ref?: string; content?: object } };
}
const document = JSON.parse(readFileSync('openapi.json', 'utf8')) as {
  paths: { [path: string]: { [method: string]: Operation } };
  components: {
    schemas: { [name: string]: Schema };
    responses: {
      [status: string]: { content: { [type: string]: { examples: { [code: string]: object } } } };
    };
  };
};
const OPERATIONS = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path}`,
    method,
    operation,
  })),
);
/** They make nothing, and an old answer would be a wrong one; a rebuild is refused while one runs. */
const NOT_REPEATABLE = [
  'POST /v1/keys/verify',
  'POST /v1/users/{id}/connections/{connection_id}/token',
  'POST /v1/projections/{name}/rebuild',
];
const OPEN = ['GET /v1/connections/callback'];

describe('the OpenAPI document', () => {
  it.each(OPERATIONS)(
    '$route names its scope and every error it can answer',
    ({ route, method, operation }) => {
      const { responses } = operation;
      if (OPEN.includes(route))
        return expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400']));
      expect(operation['x-required-scope']).toMatch(
        /^(root|admin|[a-z]+:[a-z]+)( or (root|[a-z]+:[a-z]+))?$/,
      );
      const names = operation.parameters?.map(({ name }) => name) ?? [];
      const needed = ['400', '401', '403', '404', '429', '503'];
      if (method !== 'get') needed.push('409');
      if (names.includes('If-Match')) needed.push('412');
      if (operation.requestBody) needed.push('413');
      const described = Object.keys(responses).filter((status) => Number(status) >= 400);
      expect(described.sort()).toEqual(needed.sort());
      for (const status of needed) expect(responses[status]?.$ref).toBe(`#/components/responses/${status}`);
      expect(Object.keys(responses).some((status) => Number(status) < 400)).toBe(true);
    },
  );

  it('gives an example of each code of an error', () => {
    const codes = Object.values(document.components.responses).flatMap(({ content }) =>
      Object.keys(content['application/problem+json']?.examples ?? {}),
    );
    expect(codes.sort()).toEqual([
      'conflict',
      'duplicate_record',
      'forbidden',
      'idempotency_conflict',
      'illegal_state',
      'invalid_input',
      'not_found',
      'over_budget',
      'payload_too_large',
      'projection_behind',
      'rate_limited',
      'revision_mismatch',
      'unauthorized',
      'unavailable',
    ]);
  });

  it('has one class behind each schema: Nest takes either of two of one name', () => {
    const files = globSync('{apps,libs}/**/*.dto.ts', { exclude: ['**/node_modules/**'] });
    const names = files.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/^(?:export )?(?:abstract )?class (\w+)/gm)].map(
        ([, name]) => name,
      ),
    );
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it('gives an example of every field, or refers to what has one', () => {
    const bare = Object.entries(document.components.schemas).flatMap(([name, { properties = {} }]) =>
      Object.entries(properties)
        .filter(
          ([, { $ref, allOf, items, example }]) => !$ref && !allOf && !items?.$ref && example === undefined,
        )
        .map(([field]) => `${name}.${field}`),
    );
    expect(bare).toEqual([]);
  });

  it('gives every parameter a type, and no two operations one id', () => {
    for (const { operation } of OPERATIONS) {
      for (const { name, schema } of operation.parameters ?? []) {
        expect([name, Object.keys(schema).length > 0]).toEqual([name, true]);
      }
    }
    const ids = OPERATIONS.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('lets every POST take an Idempotency-Key but those that must run each time', () => {
    const without = OPERATIONS.filter(
      ({ method, operation }) =>
        method === 'post' && !operation.parameters?.some(({ name }) => name === 'Idempotency-Key'),
    );
    expect(without.map(({ route }) => route).sort()).toEqual([...NOT_REPEATABLE].sort());
  });
});
