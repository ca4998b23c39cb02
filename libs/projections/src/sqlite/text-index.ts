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

/** The beginnings that have entries of their own: the shorter ones stand for the most words. */
const PREFIX_LENGTHS = '1 2 3';
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
  readonly #count: StatementSync;
  readonly #newest: StatementSync;
  readonly #oldest: StatementSync;

  constructor() {
    const database = this.#database;
    // Of ASCII the tokenizer takes letters, digits and # for a word's; of what is beyond, everything.
    database.exec(`create virtual table texts using fts5 (words, content='', contentless_delete=1, detail='none',
      prefix='${PREFIX_LENGTHS}', tokenize="ascii tokenchars '#'")`);
    this.#insert = database.prepare('insert or replace into texts (rowid, words) values (?, ?)');
    this.#delete = database.prepare('delete from texts where rowid = ?');
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
    return Number(this.#count.get(expressionOf(query))?.count);
  }

  /** Ids in descending or ascending order, of those below or above `after`. */
  page(query: TextQuery, page: { after: number; limit: number; descending: boolean }): number[] {
    const statement = page.descending ? this.#newest : this.#oldest;
    return statement.all(expressionOf(query), page.after, page.limit).map(({ id }) => Number(id));
  }

  close(): void {
    this.#database.close();
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
}

function expressionOf({ words, tags }: TextQuery): string {
  const whole = [...words, ...tags.map((tag) => TAG + tag)].map((term) => `"${term}"`);
  const last = words.length - 1;
  return whole.map((term, at) => (at === last ? `${term} *` : term)).join(' ');
}
