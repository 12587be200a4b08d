'use strict';

const { MessageBus, BusError } = require('./lib/bus');

module.exports = { MessageBus, BusError, ...require('./lib/frames') };
