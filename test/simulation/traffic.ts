import type { Answer, Service } from '#testing';
import type { Ledger, Person } from './ledger.js';

/** The fields that the answers of different writes have. */
export interface Written {
  id: string;
  user_id: string;
  existing_id: string;
  raw_key: string;
  code: string;
  limit_usd: string;
  amount_usd: string;
}

export type Write = Answer<Written>;
export type Action = (traffic: Traffic) => Promise<void>;

const PICK_ATTEMPTS = 30;

/** Workers that ask the service for one random thing after the other. */
export class Traffic {
  private stopped = false;

  constructor(
    private readonly service: Service,
    readonly ledger: Ledger,
    readonly random: () => number,
  ) {}

  /** Each worker ends with the action at hand once `stop` was called. Rejects when an action does. */
  async run(workers: number, choose: () => Action): Promise<void> {
    const work = async (): Promise<void> => {
      while (!this.stopped) await choose()(this);
    };
    await Promise.all(Array.from({ length: workers }, work));
  }

  stop(): void {
    this.stopped = true;
  }

  /** Undefined when no answer came: then it may have been done or not. */
  async write(method: string, path: string, body?: object): Promise<Write | undefined> {
    const { counts } = this.ledger;
    try {
      const answer = await this.service.request<Written>(method, path, body ? { body } : {});
      if (answer.status < 300) counts.acknowledged += 1;
      else counts.refused += 1;
      const position = BigInt(answer.headers.get('tenantry-position') ?? 0);
      if (position > this.ledger.position) this.ledger.position = position;
      return answer;
    } catch (error) {
      // What fetch rejects with when the connection is lost; by its name, since it is of another realm.
      if ((error as Error).name !== 'TypeError') throw error;
      counts.unanswered += 1;
      return undefined;
    }
  }

  /** Notes a fault unless there was no answer or it has one of these statuses. True when it has. */
  expect(answer: Write | undefined, statuses: readonly number[], what: string, person?: Person): boolean {
    if (!answer) return false;
    if (statuses.includes(answer.status)) return true;
    this.ledger.fault(`${what} was answered with ${answer.status}: ${answer.text}`, person);
    return false;
  }

  integer(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  oneOf<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new Error('there is nothing to choose from');
    return items[Math.floor(this.random() * items.length)] as Item;
  }

  /** Someone whom no other worker holds. */
  pick(fits: (person: Person) => boolean): Person | undefined {
    const { people } = this.ledger;
    for (let attempt = 0; attempt < PICK_ATTEMPTS && people.length > 0; attempt++) {
      const person = this.oneOf(people);
      if (person.holds === 0 && person.isCertain && fits(person)) return person;
    }
    return undefined;
  }

  /** Nobody else picks these people while the work goes on. */
  async hold(people: readonly Person[], work: () => Promise<unknown>): Promise<void> {
    for (const person of people) {
      person.holds += 1;
      this.ledger.touched.add(person);
    }
    try {
      await work();
    } finally {
      for (const person of people) person.holds -= 1;
    }
  }
}
