const { setTimeout: pause } = require('node:timers/promises');
const fastify = require('fastify')();

fastify.get('/echo', async (request, reply) => {
  const { text, ms } = request.query;
  reply.header('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  await pause(Number(ms));
  return text;
});
fastify.listen({ port: 3000, host: '0.0.0.0' });
