import { Injectable, type PipeTransform } from '@nestjs/common';
import { invalidInput } from '#kernel';

export const SECRET_NAME = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/;

/**
 * A secret's name in the path. Clients fold `.` and `..` into the path before they send it (RFC 3986, section
 * 5.2.4), so these two would name another resource. Throws `invalid_input`.
 */
@Injectable()
export class SecretNamePipe implements PipeTransform<string, string> {
  transform(name: string): string {
    if (!SECRET_NAME.test(name)) {
      throw invalidInput('name', 'must be 1 to 128 of the characters A-Z a-z 0-9 _ . - and not . or ..');
    }
    return name;
  }
}
