import { Injectable, type PipeTransform } from '@nestjs/common';
import { invalidInput } from '#kernel';

export const PROVIDER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** A provider's name in the path. Throws `invalid_input`. */
@Injectable()
export class ProviderNamePipe implements PipeTransform<string, string> {
  transform(name: string): string {
    if (!PROVIDER_NAME.test(name)) {
      throw invalidInput(
        'name',
        'must be 1 to 64 of the characters A-Z a-z 0-9 _ . - beginning with a letter or digit',
      );
    }
    return name;
  }
}
