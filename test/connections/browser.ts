/** Where a browser ended up. */
export interface Visit {
  /** The last address; one outside of `within` was not fetched. */
  url: URL;
  status: number;
  text: string;
  headers: Headers;
  /** Every address on the way. */
  path: string[];
}

/** As much of a browser as a consent takes: cookies, redirects, and forms that are sent as they stand. */
export class Browser {
  private readonly cookies = new Map<string, string>();

  /** `within` are the servers that the browser talks to. `deny` follows the link that gives up. */
  constructor(
    private readonly within: readonly string[],
    private readonly options: { deny?: boolean; stopAt?: string } = {},
  ) {}

  async visit(start: string): Promise<Visit> {
    const path: string[] = [];
    let url = new URL(start);
    let form: URLSearchParams | undefined;
    for (let step = 0; step < 30; step++) {
      path.push(url.href);
      const isOutside = !this.within.includes(url.origin);
      if (isOutside || (this.options.stopAt && url.href.startsWith(this.options.stopAt))) {
        return { url, status: 0, text: '', headers: new Headers(), path };
      }
      const answer = await this.request(url, form);
      form = undefined;
      const location = answer.headers.get('location');
      const text = await answer.text();
      if (location !== null && answer.status >= 300 && answer.status < 400) {
        url = new URL(location, url);
        continue;
      }
      const next = this.next(text, url);
      if (!next) return { url, status: answer.status, text, headers: answer.headers, path };
      ({ url, form } = next);
    }
    throw new Error(`the browser went round in circles:\n${path.join('\n')}`);
  }

  private async request(url: URL, form: URLSearchParams | undefined): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie, accept: 'text/html' },
      ...(form && { method: 'POST', body: form }),
    });
    for (const set of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  private next(html: string, url: URL): { url: URL; form: URLSearchParams | undefined } | undefined {
    const abort = /href="([^"]*\/abort)"/.exec(html)?.[1];
    if (this.options.deny && abort) return { url: new URL(abort, url), form: undefined };
    const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1];
    if (!action) return undefined;
    const form = new URLSearchParams({ login: 'alice', password: 'whatever' });
    for (const [, name = '', value = ''] of html.matchAll(
      /<input type="hidden" name="(\w+)" value="([^"]*)"/g,
    ))
      form.set(name, value);
    return { url: new URL(action, url), form };
  }
}
