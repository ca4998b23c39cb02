import { unavailable } from '#kernel';

interface Asked<Question, Answer> extends Pick<PromiseWithResolvers<Answer>, 'resolve' | 'reject'> {
  question: Question;
}

/** Beyond these the database is too slow for what is asked of it, or away. */
const MAX_UNDER_WAY = 10_000;

/** Answers all that is asked in one turn of the event loop by one piece of work. */
export class Together<Question, Answer> {
  readonly #work: (questions: Question[]) => Promise<Answer[]>;
  readonly #underWay = new Set<Promise<Answer>>();
  #asked: Asked<Question, Answer>[] = [];

  /** `work` answers in the order of the questions, each of which comes once. */
  constructor(work: (questions: Question[]) => Promise<Answer[]>) {
    this.#work = work;
  }

  /** Rejects with `unavailable` where too much is asked. */
  ask(question: Question): Promise<Answer> {
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      return Promise.reject(unavailable('too much is asked of the key store'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (this.#asked.length === 0) setImmediate(() => void this.#answer());
    this.#asked.push({ question, resolve, reject });
    this.#underWay.add(promise);
    const ended = () => void this.#underWay.delete(promise);
    promise.then(ended, ended);
    return promise;
  }

  /** Resolves once all that was asked has been answered. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #answer(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    const questions = [...new Set(asked.map(({ question }) => question))];
    try {
      const answers = await this.#work(questions);
      const found = new Map(questions.map((question, index) => [question, answers[index] as Answer]));
      for (const { question, resolve } of asked) resolve(found.get(question) as Answer);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
