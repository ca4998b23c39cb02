import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** What is found under an id. */
export interface IndexedText {
  id: number;
  /** Of letters, digits and marks alone, folded by the caller. */
  words: readonly string[];
  /** What is found by the whole of it only; of lower-case ASCII letters and digits. */
  tags: readonly string[];
}

export interface TextQuery {
  /** All must be there; the last one may be the beginning of a word. At least one. */
  words: readonly string[];
  tags: readonly string[];
}

/** Beginnings up to this length have entries of their own: they stand for the most words. */
const MAX_PREFIX_LENGTH = 3;
/** As many words with a longer beginning are looked for one by one; FTS5 itself would gather all of their texts. */
const MAX_WORDS = 16;
/** Tells tags from words, and gives their beginnings one entry for each length. */
const TAG = '###';

/**
 * Which of many texts have these words: SQLite's FTS5 in memory, where alone such texts may be in clear. It keeps no
 * text, only what word is where. Everything runs at once; the largest questions take some 30 ns for each hit.
 */
export class TextIndex {
  readonly #database = new DatabaseSync(':memory:');
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #words: StatementSync;
  readonly #count: StatementSync;
  readonly #newest: StatementSync;
  readonly #oldest: StatementSync;

  constructor() {
    const database = this.#database;
    // Of ASCII the tokenizer takes letters, digits and # for a word's; of what is beyond, everything.
    database.exec(`create virtual table texts using fts5 (words, content='', contentless_delete=1, detail='none',
      prefix='1 2 3', tokenize="ascii tokenchars '#'")`);
    database.exec('create virtual table words using fts5vocab (texts, row)');
    this.#insert = database.prepare('insert or replace into texts (rowid, words) values (?, ?)');
    this.#delete = database.prepare('delete from texts where rowid = ?');
    this.#words = database.prepare('select term from words where term >= ? and term < ? limit ?');
    this.#count = database.prepare('select count(*) as count from texts where texts match ?');
    const page = 'select rowid as id from texts where texts match ?';
    this.#newest = database.prepare(`${page} and rowid < ? order by rowid desc limit ?`);
    this.#oldest = database.prepare(`${page} and rowid > ? order by rowid limit ?`);
  }

  get bytes(): number {
    const [pages, size] = ['page_count', 'page_size'].map(
      (it) => this.#database.prepare(`pragma ${it}`).get()?.[it],
    );
    return Number(pages) * Number(size);
  }

  /** Each takes the place of what its id had. Ascending ids are the fastest. */
  put(texts: Iterable<IndexedText>): void {
    this.#write(() => {
      for (const { id, words, tags } of texts) {
        this.#insert.run(id, [...new Set(words), ...tags.map((tag) => TAG + tag)].join(' '));
      }
    });
  }

  remove(ids: Iterable<number>): void {
    this.#write(() => {
      for (const id of ids) this.#delete.run(id);
    });
  }

  count(query: TextQuery): number {
    return Number(this.#count.get(this.#expressionOf(query))?.count);
  }

  /** Ids in descending or ascending order, of those below or above `after`. */
  page(query: TextQuery, page: { after: number; limit: number; descending: boolean }): number[] {
    const statement = page.descending ? this.#newest : this.#oldest;
    return statement.all(this.#expressionOf(query), page.after, page.limit).map(({ id }) => Number(id));
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #write(work: () => void): void {
    this.#database.exec('begin');
    try {
      work();
      this.#database.exec('commit');
    } finally {
      if (this.#database.isTransaction) this.#database.exec('rollback');
    }
  }

  #expressionOf({ words, tags }: TextQuery): string {
    const whole = [...words.slice(0, -1), ...tags.map((tag) => TAG + tag)].map((term) => `"${term}"`);
    return [...whole, this.#beginning(words.at(-1) ?? '')].join(' AND ');
  }

  #beginning(prefix: string): string {
    const any = `"${prefix}" *`;
    if ([...prefix].length <= MAX_PREFIX_LENGTH) return any;
    const words = this.#words
      .all(prefix, `${prefix}\u{10ffff}`, MAX_WORDS + 1)
      .map(({ term }) => `"${term}"`);
    return words.length === 0 || words.length > MAX_WORDS ? any : `(${words.join(' OR ')})`;
  }
}
