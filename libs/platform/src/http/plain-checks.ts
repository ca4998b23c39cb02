import type { Type } from '@nestjs/common';
import { getMetadataStorage, type ValidationArguments } from 'class-validator';

type Check = (dto: object) => boolean;
/** Whether a field's other rules count, as those of `@IsOptional` do for a value that is there. */
type Condition = (dto: object, value: unknown) => boolean;

interface PlainChecks {
  fields: ReadonlySet<string>;
  checks: readonly Check[];
}

const known = new WeakMap<Type<object>, PlainChecks | 'not plain'>();

/**
 * Whether every rule of the class is a plain constraint of one value, or tells when those count, and all of them hold, with no field besides. It
 * spares class-validator's walk, which collects the rules anew for each object; whatever is not plain, or does not
 * hold, is for class-validator to judge and to name.
 */
export function fitsPlainly(type: Type<object>, dto: object): boolean {
  const plain = known.get(type) ?? plainChecks(type);
  known.set(type, plain);
  if (plain === 'not plain') return false;
  for (const field of Object.keys(dto)) if (!plain.fields.has(field)) return false;
  for (const check of plain.checks) if (!check(dto)) return false;
  return true;
}

function plainChecks(type: Type<object>): PlainChecks | 'not plain' {
  const storage = getMetadataStorage();
  const rules = storage.getTargetValidationMetadatas(type, '', false, false);
  if (rules.some(({ each, groups, context }) => each || groups?.length || context)) return 'not plain';
  const conditional = rules.filter(({ type: kind }) => kind === 'conditionalValidation');
  const checks: Check[] = [];
  for (const { type: kind, propertyName, constraintCls, constraints } of rules) {
    if (kind === 'conditionalValidation') continue;
    if (kind !== 'customValidation') return 'not plain';
    const conditions: Condition[] = conditional
      .filter((rule) => rule.propertyName === propertyName)
      .map((rule) => rule.constraints[0]);
    for (const { async, instance } of storage.getTargetValidatorConstraints(constraintCls)) {
      if (async) return 'not plain';
      checks.push((dto) => {
        const value: unknown = (dto as Record<string, unknown>)[propertyName];
        if (!conditions.every((condition) => condition(dto, value))) return true;
        const given: ValidationArguments = {
          value,
          constraints,
          object: dto,
          property: propertyName,
          targetName: type.name,
        };
        return instance.validate(value, given) === true;
      });
    }
  }
  return { fields: new Set(rules.map(({ propertyName }) => propertyName)), checks };
}
