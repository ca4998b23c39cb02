import { Inject, Injectable } from '@nestjs/common';
import type { RecordedEvent } from '#kernel';
import { AppLogger, KEY_STORE } from '#platform';
import { IdentifierRegistry, PersonalDataCodec, Sealer, type SubjectKeyStore } from '#privacy';
import { identifierHoldings } from './identifier-holdings.js';

/** Hashes in the events of old logs were made with them. Nobody reads those any more, and without these nobody can. */
const SECRETS_OF_OLD_HASHES = ['uniqueness', 'blind-index'];

/** Frees what the log frees. On the first start on an old log it claims what that holds, which nobody else can do yet. */
@Injectable()
export class IdentifierFollower {
  readonly name = identifierHoldings.name;
  readonly categories = identifierHoldings.categories;
  private readonly codec: PersonalDataCodec;

  constructor(
    private readonly identifiers: IdentifierRegistry,
    private readonly logger: AppLogger,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
    sealer: Sealer,
  ) {
    this.codec = new PersonalDataCodec(sealer);
  }

  async handle(events: readonly RecordedEvent[]): Promise<void> {
    const filling = !(await this.identifiers.isComplete());
    const concerned = events.filter((event) => identifierHoldings.concerns(event, { filling }));
    if (concerned.length === 0) return;
    const opened = await Promise.all(concerned.map((event) => this.codec.decode(event)));
    await this.identifiers.follow(opened.flatMap(identifierHoldings.apply));
  }

  async caughtUp(): Promise<void> {
    if (await this.identifiers.isComplete()) return;
    for (const name of SECRETS_OF_OLD_HASHES) await this.keys.destroySecret(name);
    await this.identifiers.complete();
    for (const collision of await this.identifiers.collisions()) {
      this.logger.warn({ ...collision }, 'two holders of one identifier: the older one keeps it');
    }
  }
}
