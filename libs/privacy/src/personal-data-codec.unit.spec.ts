import { beforeEach, describe, expect, it } from '@jest/globals';
import { type JsonObject, type NewEvent, type RecordedEvent, unavailable } from '#kernel';
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
    const store = {
      find: async (id: string) => {
        if (id !== '1') throw new Error('no such key');
        return keys.get(id);
      },
    } satisfies Partial<SubjectKeyStore>;
    codec = new PersonalDataCodec(new Sealer(store as SubjectKeyStore));
  });

  it('given personal data, when the event is encoded, then it is sealed and the rest is as it was', async () => {
    const encoded = await codec.encode(created, STREAM);
    expect(encoded).toMatchObject({ ...created, data: { ...created.data, personal: expect.any(String) } });
    expect(encoded.opened?.()).toEqual({ sealed: encoded.data.personal, clear: personal });
    expect(JSON.stringify(encoded)).not.toContain('alice');
    expect(created.data.personal).toBe(personal);
  });

  it('given an encoded event, when it is decoded, then it is what it was, beside its sealed text', async () => {
    const encoded = recorded(await codec.encode(created, STREAM));
    const data = { ...created.data, sealed_personal: encoded.data.personal };
    expect(await codec.decode(encoded)).toEqual({ ...encoded, data });
    expect(codec.known(created, encoded).data).toEqual(data);
  });

  it('given a decoded event, when its text is carried on to another one, then it is stored as it was', async () => {
    const stored = recorded(await codec.encode(created, STREAM));
    const { data } = await codec.decode(stored);
    const carried = newEvent({ ...data, status: 'suspended' });
    const encoded = await codec.encode(carried, STREAM);
    expect(encoded).toEqual({ ...carried, data: { ...stored.data, status: 'suspended' } });
    expect(codec.known(carried, encoded)).toEqual(carried);
  });

  it('given a destroyed key, then personal is null and the rest stays; and its text can be carried on', async () => {
    const stored = recorded(await codec.encode(created, STREAM));
    keys.clear();
    const { data } = await codec.decode(stored);
    expect(data).toEqual({ ...stored.data, personal: null, sealed_personal: stored.data.personal });
    expect((await codec.encode(newEvent(data), STREAM)).data).toEqual(stored.data);
  });

  it.each<[string, (text: string) => string]>([
    ['cut short', (text) => text.slice(0, -4)],
    ['altered', (text) => text.replace(/.{4}$/, 'AAAA')],
    ['no sealed text at all', () => 'Alice'],
    ['of a key that nobody knows', (text) => text.replace('v2.1.', 'v2.2.')],
  ])('given a text that is %s, then personal is null and the rest stays', async (_, damage) => {
    const stored = recorded(await codec.encode(created, STREAM));
    const personal = damage(String(stored.data.personal));
    const { data } = await codec.decode({ ...stored, data: { ...stored.data, personal } });
    expect(data).toEqual({ ...stored.data, personal: null, sealed_personal: personal });
    expect((await codec.encode(newEvent(data), STREAM)).data).toEqual({ ...stored.data, personal });
  });

  it('given a sealed event copied to another stream, then its text does not open there', async () => {
    const encoded = await codec.encode(created, STREAM);
    expect((await codec.decode(recorded(encoded, 'tenantUser-2'))).data).toMatchObject({ personal: null });
  });

  it('given a key store that is out of reach, when an event is decoded, then that is thrown', async () => {
    const encoded = recorded(await codec.encode(created, STREAM));
    const away = { find: () => Promise.reject(unavailable('away')) };
    const other = new PersonalDataCodec(new Sealer(away as unknown as SubjectKeyStore));
    await expect(other.decode(encoded)).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it.each(['transaction_id', 'key_id', 'connection_id', 'name_index'])(
    'given texts of two things by their %s, when they are swapped, then neither opens',
    async (id) => {
      const [one, two] = await Promise.all(
        ['one', 'two'].map(async (name) =>
          recorded(await codec.encode(newEvent({ ...created.data, [id]: name }), STREAM)),
        ),
      );
      expect((await codec.decode(one!)).data).toMatchObject({ personal });
      const swapped = { ...one!, data: { ...one!.data, personal: two!.data.personal! } };
      expect((await codec.decode(swapped)).data).toMatchObject({ personal: null });
    },
  );

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
