interface Asked<Question, Answer> extends Pick<PromiseWithResolvers<Answer>, 'resolve' | 'reject'> {
  question: Question;
}

/** Answers all that is asked in one turn of the event loop by one piece of work. */
export class Together<Question, Answer> {
  readonly #work: (questions: Question[]) => Promise<Answer[]>;
  readonly #underWay = new Set<Promise<Answer>>();
  #asked: Asked<Question, Answer>[] = [];

  /** `work` answers in the order of the questions, each of which comes once. */
  constructor(work: (questions: Question[]) => Promise<Answer[]>) {
    this.#work = work;
  }

  ask(question: Question): Promise<Answer> {
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
