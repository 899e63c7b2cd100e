// The peer: Express and pg, one INSERT a request, top types by GROUP BY. What a small Node.js tracker does.
// PORT, PROCESSES (more than one: cluster), and PostgreSQL's own PGHOST, PGUSER, PGDATABASE.
const cluster = require('cluster');

const processes = Number(process.env.PROCESSES || 1);

if (processes > 1 && cluster.isPrimary) {
  for (let i = 0; i < processes; i++) cluster.fork();
} else {
  serve();
}

function serve() {
  const express = require('express');
  const { Pool } = require('pg');

  const pool = new Pool({ max: 10 });
  const app = express();
  app.use(express.json({ limit: '5mb' }));

  const answering = (handler) => (request, response) =>
    handler(request, response).catch((error) => response.status(500).json({ error: error.message }));

  app.get('/readyz', answering(async (request, response) => {
    await pool.query('SELECT 1');
    response.json({ status: 'ready' });
  }));

  app.post('/events', answering(async (request, response) => {
    const { user_id, event_type, timestamp, session_id, properties } = request.body || {};
    if (!user_id || !event_type) {
      response.status(400).json({ error: 'user_id and event_type are required' });
      return;
    }
    const result = await pool.query(
      'INSERT INTO events (user_id, event_type, "timestamp", session_id, properties) VALUES ($1, $2, $3, $4, $5) ' +
        'RETURNING id, "timestamp"',
      [user_id, event_type, timestamp || new Date(), session_id || null, properties || {}],
    );
    response.status(201).json(result.rows[0]);
  }));

  app.get('/events', answering(async (request, response) => {
    const limit = Math.min(Number(request.query.limit || 50), 1000);
    const result = await pool.query(
      'SELECT * FROM events WHERE user_id = $1 ORDER BY "timestamp" DESC LIMIT $2',
      [request.query.user_id, limit],
    );
    response.json(result.rows);
  }));

  app.get('/stats/top-types', answering(async (request, response) => {
    const result = await pool.query(
      'SELECT event_type, COUNT(*)::bigint AS count FROM events GROUP BY event_type ORDER BY count DESC LIMIT 10',
    );
    response.json(result.rows);
  }));

  app.listen(Number(process.env.PORT), '127.0.0.1');
}
