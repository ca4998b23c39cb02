import { beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonObject, NewEvent, RecordedEvent } from '#kernel';
import { PersonalDataCodec } from './personal-data-codec.js';
import { Sealer } from './sealer.js';
import type { SubjectKeyStore } from './subject-keys.js';

const STREAM = 'tenantUser-1';

const newEvent = <Data extends object>(data: Data): NewEvent<Data> => ({
  id: '018f0000-0000-7000-8000-000000000000',
  at: '2030-01-01T00:00:00.000Z',
  type: 'tenant-user.created.v1',
  data,
  metadata: {
    platformId: null,
    tenantId: null,
    actor: { type: 'system', id: 'test' },
    correlationId: 'c',
    causationId: 'c',
  },
});

const recorded = (event: NewEvent, stream = STREAM): RecordedEvent => ({
  ...event,
  stream,
  revision: 0,
  position: 1n,
});

describe('PersonalDataCodec', () => {
  let keys: Map<string, Uint8Array>;
  let codec: PersonalDataCodec;
  const personal: JsonObject = { email: 'alice@example.com', label: null };
  const created = newEvent({ status: 'active', subject_key: '1', personal });

  beforeEach(() => {
    keys = new Map([['1', Buffer.alloc(32, 1)]]);
    const store = { find: async (id: string) => keys.get(id) } satisfies Partial<SubjectKeyStore>;
    codec = new PersonalDataCodec(new Sealer(store as SubjectKeyStore));
  });

  it('given personal data, when the event is encoded, then it is sealed and the rest is as it was', async () => {
    const encoded = await codec.encode(created, STREAM);
    expect(encoded).toEqual({ ...created, data: { ...created.data, personal: expect.any(String) } });
    expect(JSON.stringify(encoded)).not.toContain('alice');
    expect(created.data.personal).toBe(personal);
  });

  it('given an encoded event, when it is decoded, then it is what it was', async () => {
    const encoded = recorded(await codec.encode(created, STREAM));
    expect(await codec.decode(encoded)).toEqual({ ...encoded, data: created.data });
  });

  it('given a destroyed key, when the event is decoded, then personal is null and the rest stays', async () => {
    const encoded = recorded(await codec.encode(created, STREAM));
    keys.clear();
    expect((await codec.decode(encoded)).data).toEqual({
      status: 'active',
      subject_key: '1',
      personal: null,
    });
  });

  it('given a sealed event copied to another stream, when it is decoded, then it throws', async () => {
    const encoded = await codec.encode(created, STREAM);
    await expect(codec.decode(recorded(encoded, 'tenantUser-2'))).rejects.toThrow('integrity');
  });

  it.each([{ status: 'active' }, { subject_key: '1' }, { personal: null, subject_key: '1' }])(
    'given the data %j without personal values, when it passes, then it is the same object',
    async (data) => {
      const event = newEvent<JsonObject>(data);
      expect(await codec.encode(event, STREAM)).toBe(event);
      const stored = recorded(event);
      expect(await codec.decode(stored)).toBe(stored);
    },
  );

  it.each([{ personal }, { personal, subject_key: 1 }, { personal: 'Alice', subject_key: '1' }])(
    'given the data %j that can not be sealed, when it is encoded, then it throws',
    async (data) => {
      await expect(codec.encode(newEvent(data), STREAM)).rejects.toThrow('subject_key');
    },
  );

  it('given personal data in clear in the log, when it is decoded, then it throws', async () => {
    await expect(codec.decode(recorded(created))).rejects.toThrow('in clear');
  });
});
