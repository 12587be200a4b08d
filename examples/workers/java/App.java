import drover.v1.MessageOuterClass.Message;
import drover.v1.MessageOuterClass.Scope;
import drover.worker.DroverWorker;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** HTTP as a worker: `/` says who answers, `/echo?text=hello&ms=200` answers the text after that time. Messages are answered too. */
public final class App implements DroverWorker.App {
    /**
     * For so long after a stop an open connection may still bring a request, whose answer says that it is the last: a client
     * that is about to send would lose its request if an idle connection were closed at once.
     */
    private static final long LAST_REQUESTS_MS = 1000;
    private static final int MOST_CONNECTIONS = 500; // each has a thread
    private static final int MOST_OF_A_HEAD = 16 * 1024;
    private static final String WORKER = ProcessHandle.current().pid() + " " + System.getenv().getOrDefault("DROVER_GENERATION", "0");

    private final ExecutorService threads = new ThreadPoolExecutor(0, MOST_CONNECTIONS, 10, TimeUnit.SECONDS, new SynchronousQueue<>());
    private final Map<SocketChannel, Boolean> connections = new ConcurrentHashMap<>(); // whether a request is under way
    private volatile boolean isDraining;

    public static void main(String[] args) throws IOException {
        new DroverWorker(new App(), 8092).run();
        System.exit(0); // threads that wait for another connection need not be waited for
    }

    @Override
    public void connected(SocketChannel client) {
        connections.put(client, false);
        try {
            threads.execute(() -> serve(client));
        } catch (java.util.concurrent.RejectedExecutionException full) {
            close(client);
        }
    }

    @Override
    public CompletableFuture<Void> stop() {
        isDraining = true;
        return CompletableFuture.runAsync(() -> {
            long begin = System.nanoTime();
            while (!connections.isEmpty()) {
                boolean isLate = System.nanoTime() - begin > TimeUnit.MILLISECONDS.toNanos(LAST_REQUESTS_MS);
                if (isLate) connections.keySet().forEach(client -> { if (connections.remove(client, false)) close(client); });
                pause(10);
            }
        });
    }

    @Override
    public void resume() {
        isDraining = false;
    }

    @Override
    public byte[] message(DroverWorker worker, Message message) {
        byte[] payload = message.getPayload().toByteArray();
        String topic = message.getPayload().toStringUtf8();
        switch (message.getTopic()) {
            case "drover.conform.echo":
                return payload;
            case "drover.conform.fail":
                throw new IllegalStateException("as was asked for");
            case "drover.conform.send":
                worker.send(DroverWorker.message(topic, new byte[0], Scope.SCOPE_APP).build());
                return new byte[0];
            case "drover.conform.subscribe":
                worker.subscribe(topic);
                return new byte[0];
            case "drover.conform.ask":
                try {
                    return worker.request(DroverWorker.message(topic, new byte[0], Scope.SCOPE_APP).build());
                } catch (DroverWorker.BusException error) {
                    return error.getMessage().getBytes(StandardCharsets.UTF_8);
                }
            default:
                System.out.println("message " + message.getTopic() + " from " + message.getWorker() + ": " + payload.length + " bytes");
                throw new DroverWorker.BusException("UNIMPLEMENTED", "nobody here answers " + message.getTopic());
        }
    }

    private void serve(SocketChannel client) {
        try (client; Socket socket = client.socket()) {
            InputStream in = new BufferedInputStream(socket.getInputStream());
            OutputStream out = socket.getOutputStream();
            for (boolean isLast = false; !isLast; ) {
                int first = in.read();
                // A request that has begun is under way.
                if (first < 0 || connections.replace(client, true) == null) return;
                String head = head(first, in);
                if (head == null) return;
                byte[] body = answer(head.split(" ", 3)[1]);
                isLast = isDraining || head.toLowerCase().contains("\r\nconnection: close\r\n");
                String answer = "HTTP/1.1 200 OK\r\nX-Worker: " + WORKER + "\r\nContent-Length: " + body.length
                        + "\r\nConnection: " + (isLast ? "close" : "keep-alive") + "\r\n\r\n";
                byte[] start = answer.getBytes(StandardCharsets.ISO_8859_1);
                out.write(ByteBuffer.allocate(start.length + body.length).put(start).put(body).array());
                connections.replace(client, false);
            }
        } catch (IOException gone) {
            // The client has gone, or was idle while the worker drained.
        } finally {
            connections.remove(client);
        }
    }

    /** A request without a body, which begins with this; null when its end does not come. */
    private static String head(int first, InputStream in) throws IOException {
        StringBuilder head = new StringBuilder().append((char) first);
        while (head.indexOf("\r\n\r\n", Math.max(0, head.length() - 4)) < 0) {
            int next = in.read();
            if (next < 0 || head.length() > MOST_OF_A_HEAD) return null;
            head.append((char) next);
        }
        return head.toString();
    }

    private static byte[] answer(String target) {
        if (!target.startsWith("/echo?")) {
            String slot = System.getenv().getOrDefault("DROVER_SLOT", "-");
            return ("hello from java worker " + slot + ", pid " + ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.UTF_8);
        }
        Map<String, String> query = new HashMap<>();
        for (String pair : target.substring("/echo?".length()).split("&")) {
            String[] parts = pair.split("=", 2);
            query.put(parts[0], URLDecoder.decode(parts[parts.length - 1], StandardCharsets.UTF_8));
        }
        pause(Long.parseLong(query.getOrDefault("ms", "0")));
        return query.getOrDefault("text", "").getBytes(StandardCharsets.UTF_8);
    }

    private static void close(SocketChannel client) {
        try {
            client.close();
        } catch (IOException closed) {
            // It is gone either way.
        }
    }

    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException impossible) {
            Thread.currentThread().interrupt();
        }
    }
}
