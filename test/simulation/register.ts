import { isDeepStrictEqual } from 'node:util';

/**
 * What must be true of one value that requests change one after the other. An answer leaves exactly one value; a
 * request that was never answered leaves the value before it or the one after it, until the service is asked.
 */
export class Register<Value> {
  private values: [Value, ...Value[]];

  constructor(initial: Value) {
    this.values = [initial];
  }

  get possible(): readonly Value[] {
    return this.values;
  }

  get isCertain(): boolean {
    return this.values.length === 1;
  }

  /** Throws while there are two. */
  get value(): Value {
    if (!this.isCertain) throw new Error('the value is not known: a request was never answered');
    return this.values[0];
  }

  couldBe(value: Value): boolean {
    return this.values.some((one) => isDeepStrictEqual(one, value));
  }

  /** Follows a request that makes it `next`. What is refused has changed nothing. */
  async change<Answered extends { status: number }>(
    next: Value,
    request: Promise<Answered | undefined>,
  ): Promise<Answered | undefined> {
    const before = this.value;
    this.values = [before, next];
    const answer = await request;
    if (answer) this.values = [answer.status < 300 ? next : before];
    return answer;
  }

  /** Takes what the service shows for the truth from now on. False when it cannot be. */
  observe(shown: Value): boolean {
    if (!this.couldBe(shown)) return false;
    this.values = [shown];
    return true;
  }
}
