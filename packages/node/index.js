'use strict';

module.exports = { ...require('./lib/bus'), ...require('./lib/frames') };
