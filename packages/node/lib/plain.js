'use strict';
// Messages of the protocol as plain objects.

const { Enum, Type } = require('protobufjs');

/** The name of a value, as small letters and without the name of its type: 'shutting_down'. Null: it is not said, or not known here. */
function nameOf(type, value) {
  const prefix = `${type.name.replace(/(?!^)[A-Z]/g, '_$&').toUpperCase()}_`;
  const name = type.valuesById[value]?.replace(prefix, '').toLowerCase();
  return name === undefined || name === 'unspecified' ? null : name;
}

/** With a number for each number, a name for each value of an enum, and null for what is absent. */
function plain(message) {
  const one = ({ resolvedType }, value) => {
    if (resolvedType instanceof Enum) return nameOf(resolvedType, value);
    if (resolvedType instanceof Type) return value ? plain(value) : null;
    return typeof value === 'object' && 'toNumber' in value ? value.toNumber() : value;
  };
  const fields = message.$type.fieldsArray.map((field) => {
    if (field.repeated) return [field.name, message[field.name].map((value) => one(field, value))];
    const isAbsent = field.partOf && !Object.hasOwn(message, field.name);
    return [field.name, isAbsent ? null : one(field, message[field.name])];
  });
  return Object.fromEntries(fields);
}

module.exports = { plain, nameOf };
