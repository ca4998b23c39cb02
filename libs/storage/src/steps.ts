import type { BusKind } from './bus-rounds.js';
import type { KeyKind } from './key-rounds.js';
import { KEYS_PART, type Kind, type Numbered, type Request } from './protocol.js';

export type OtherKind = Exclude<Kind, KeyKind | BusKind | 'append'> | 'queries';
export type Each<Of extends Kind> = [number: number, request: Request<Of>];

/** By the step of a round that each belongs to. */
export function sorted(requests: readonly Numbered[]) {
  const keys: Each<KeyKind>[] = [];
  const appends: Each<'append'>[] = [];
  const published: Each<BusKind>[] = [];
  const others: Each<OtherKind>[] = [];
  for (const [number, request] of requests) {
    switch (request.kind) {
      case 'insert-key':
      case 'destroy-keys':
      case 'identifiers':
      case 'put-snapshot':
      case 'insert-secret':
      case 'destroy-secret':
        keys.push([number, request]);
        break;
      case 'append':
        appends.push([number, request]);
        break;
      case 'publish':
      case 'save-offset':
        published.push([number, request]);
        break;
      case 'queries':
        if (request.part === KEYS_PART) keys.push([number, request]);
        else others.push([number, request]);
        break;
      default:
        others.push([number, request]);
    }
  }
  return { keys, appends, published, others };
}
