const cluster = require('node:cluster');
const http = require('node:http');
const { availableParallelism } = require('node:os');

if (cluster.isPrimary) {
  for (let n = 0; n < availableParallelism(); n += 1) cluster.fork();
  cluster.on('exit', () => cluster.fork());
} else {
  http.createServer((request, response) => {
    const { searchParams } = new URL(request.url, 'http://here');
    response.setHeader('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
    setTimeout(() => response.end(searchParams.get('text')), Number(searchParams.get('ms')));
  }).listen(3000);
  console.log(`worker ${cluster.worker.id} listens`);
}
