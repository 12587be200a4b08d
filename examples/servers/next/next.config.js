module.exports = { rewrites: async () => [{ source: '/echo', destination: '/api/echo' }] };
