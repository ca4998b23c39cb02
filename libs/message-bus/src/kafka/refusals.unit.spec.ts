import { describe, expect, it } from '@jest/globals';
import { refusalOf } from './bus-refusal.js';
import { Refusals } from './refusals.js';

const refused = (type: string): Error => Object.assign(new Error('from the client'), { type });

function given() {
  const told: string[] = [];
  return { told, refusals: new Refusals(({ message }) => told.push(message)) };
}

describe('what the brokers refuse to a service that runs', () => {
  it('given the same refusal again and again, then it is told once and stands until it works', () => {
    const { told, refusals } = given();
    for (let attempt = 0; attempt < 3; attempt++)
      refusals.note('write', refused('TOPIC_AUTHORIZATION_FAILED'));
    expect(told).toHaveLength(1);
    expect(() => refusals.throwIfAny()).toThrow(expect.objectContaining({ kind: 'unavailable' }));
    refusals.note('read');
    expect(() => refusals.throwIfAny()).toThrow();
    refusals.note('write');
    refusals.throwIfAny();
    refusals.note('write', refused('TOPIC_AUTHORIZATION_FAILED'));
    expect(told).toHaveLength(2);
  });

  it('given brokers that are only down, then nothing is told, and what was refused before still stands', () => {
    const { told, refusals } = given();
    refusals.note('write', new Error('down'));
    refusals.throwIfAny();
    refusals.note('write', refused('TOPIC_AUTHORIZATION_FAILED'));
    refusals.note('write', new Error('down'));
    expect(() => refusals.throwIfAny()).toThrow();
    expect(told).toHaveLength(1);
  });
});

describe('the words for a missing right', () => {
  const doing = { topic: 'write to the topic t', group: 'read as the group g' };

  it.each([
    ['TOPIC_AUTHORIZATION_FAILED', 'this user may not write to the topic t'],
    ['GROUP_AUTHORIZATION_FAILED', 'this user may not read as the group g'],
    ['SASL_AUTHENTICATION_FAILED', 'the brokers refuse this user, password or mechanism'],
  ])('given %s, then they say what was being done', (type, message) => {
    expect(refusalOf(refused(type), doing)).toMatchObject({ message });
  });

  it('given a refusal that was put in words before, then they stay', () => {
    const first = refusalOf(refused('TOPIC_AUTHORIZATION_FAILED'), doing);
    expect(refusalOf(Object.assign(new Error('outer'), { cause: first }))).toBe(first);
  });
});
