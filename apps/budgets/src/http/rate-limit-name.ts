import { Injectable, type PipeTransform } from '@nestjs/common';
import { invalidInput } from '#kernel';

const RATE_LIMIT_NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;

/** A rate limit's name in the path, as account kits take it. Throws `invalid_input`. */
@Injectable()
export class RateLimitNamePipe implements PipeTransform<string, string> {
  transform(name: string): string {
    if (name in Object.prototype || !RATE_LIMIT_NAME.test(name)) {
      throw invalidInput('name', 'must be a letter or digit and up to 63 of A-Z a-z 0-9 _ . : -');
    }
    return name;
  }
}
