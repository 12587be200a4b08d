import { setTimeout as pause } from 'node:timers/promises';
import Koa from 'koa';

const app = new Koa();
app.use(async (context) => {
  const { text, ms } = context.query;
  context.set('X-Worker', `${process.pid} ${process.env.DROVER_GENERATION}`);
  await pause(Number(ms));
  context.body = text;
});
app.listen(3000);
