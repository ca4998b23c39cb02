import { describe, expect, it } from '@jest/globals';
import { refusalOf } from './bus-refusal.js';

const failure = (fields: object): Error => Object.assign(new Error('from the client'), fields);

describe('what the brokers refuse', () => {
  it.each([
    ['host', { code: 'ENOTFOUND' }],
    ['tls', { code: 'SELF_SIGNED_CERT_IN_CHAIN' }],
    ['tls', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }],
    ['login', { name: 'KafkaJSSASLAuthenticationError' }],
    ['login', { type: 'UNSUPPORTED_SASL_MECHANISM' }],
    ['rights', { type: 'TOPIC_AUTHORIZATION_FAILED' }],
    ['rights', { type: 'CLUSTER_AUTHORIZATION_FAILED' }],
  ])('given the client names %s, then it is found, wrapped or not', (part, fields) => {
    const error = failure(fields);
    for (const wrapped of [error, failure({ cause: error }), failure({ originalError: error })]) {
      expect(refusalOf(wrapped)).toMatchObject({ part });
      expect(refusalOf(failure({ errors: [wrapped] }))).toMatchObject({ part });
    }
  });

  it.each([
    ['a connection refused', failure({ code: 'ECONNREFUSED' })],
    ['a name server that does not answer', failure({ code: 'EAI_AGAIN' })],
    ['a partition without a leader', failure({ type: 'LEADER_NOT_AVAILABLE' })],
    ['no error', 'text'],
  ])('given %s, then the brokers are only down', (_, error) => {
    expect(refusalOf(error)).toBeUndefined();
  });
});
