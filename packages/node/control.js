'use strict';

const { Control, ControlError } = require('./lib/control');

module.exports = { Control, ControlError };
