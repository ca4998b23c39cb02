import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { MESSAGE_TYPES, type Message } from './messages.js';
import { DATA_SCHEMAS } from './schemas.js';
import { validateMessage } from './validate-message.js';

const folder = new URL('./fixtures/', import.meta.url);
const types = Object.values(MESSAGE_TYPES);
const fixture = (type: string): Message =>
  JSON.parse(readFileSync(new URL(`${type}.json`, folder), 'utf8')) as Message;

describe('the message contracts', () => {
  it('have a schema and a frozen fixture for every type, and no other', () => {
    expect(Object.keys(DATA_SCHEMAS).sort()).toEqual([...types].sort());
    expect(readdirSync(folder).sort()).toEqual(types.map((type) => `${type}.json`).sort());
  });

  it.each(types)('given the frozen %s, then it fits exactly', (type) => {
    expect(fixture(type).type).toBe(type);
    expect(validateMessage(fixture(type), { exact: true })).toEqual([]);
  });

  it.each(types.flatMap((type) => Object.keys(fixture(type).data).map((field) => [type, field] as const)))(
    'given a %s without data.%s, then it is refused by that name',
    (type, field) => {
      const message = fixture(type);
      delete message.data[field];
      expect(validateMessage(message)).toEqual([
        { field: `data.${field}`, message: expect.stringContaining(field) },
      ]);
    },
  );

  it.each(['id', 'source', 'subject', 'time', 'correlationId', 'causationId'])(
    'given a message without %s, then it is refused',
    (field) => {
      const { [field]: _, ...message } = { ...fixture(MESSAGE_TYPES.userDeleted) } as Record<string, unknown>;
      expect(validateMessage(message)).toMatchObject([{ field }]);
    },
  );

  it('given an email where an id belongs, then it is refused without repeating the value', () => {
    const message = fixture(MESSAGE_TYPES.userDeleted);
    message.data.user_id = 'alice@example.com';
    const errors = validateMessage(message);
    expect(errors).toMatchObject([{ field: 'data.user_id' }]);
    expect(JSON.stringify(errors)).not.toContain('alice');
  });

  it('given a field of a later minor version, then consumers take it and producers are told', () => {
    const message = fixture(MESSAGE_TYPES.userDeleted);
    message.data.reason = 'erasure';
    expect(validateMessage(message)).toEqual([]);
    expect(validateMessage(message, { exact: true })).toMatchObject([{ field: 'data.reason' }]);
  });

  it('given a type of somebody else, then only its envelope is looked at', () => {
    const message = { ...fixture(MESSAGE_TYPES.userDeleted), type: 'acme.thing.v1', data: { any: 1 } };
    expect(validateMessage(message)).toEqual([]);
    expect(validateMessage({ ...message, data: 'text' })).toMatchObject([{ field: 'data' }]);
  });

  it.each([null, undefined, 7, 'text', [], {}])(
    'given %p instead of a message, then it is refused',
    (value) => {
      expect(validateMessage(value)).toHaveLength(1);
    },
  );
});
