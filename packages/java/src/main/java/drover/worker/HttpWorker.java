package drover.worker;

import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpContext;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** An HttpServer that is a worker once it is started. After a stop its answers say that they are the last ones on their connections. */
final class HttpWorker extends HttpServer implements DroverWorker.App {
    /**
     * For so long after a stop an open connection may still bring a request: a client that is about to send would lose it if the connection
     * were closed at once.
     */
    private static final long LAST_REQUESTS_MS = 1000;
    private static final long LOOK_AGAIN_MS = 10;

    private final HttpWorkers workers;
    private final HttpServer plain;
    private volatile boolean isDraining;
    private AdoptedSocket socket; // null where it listens by itself

    HttpWorker(HttpWorkers workers, HttpServer plain, InetSocketAddress addr, int backlog) throws IOException {
        this.workers = workers;
        this.plain = plain;
        if (addr != null) bind(addr, backlog);
    }

    @Override
    public void bind(InetSocketAddress addr, int backlog) throws IOException {
        socket = workers.adopted(plain, addr);
        if (socket == null) plain.bind(addr, backlog);
    }

    @Override
    public void start() {
        plain.start();
        if (socket == null) return;
        new Thread(this::work, "drover").start();
    }

    private void work() {
        try {
            new DroverWorker(this).run();
        } catch (IOException | RuntimeException error) {
            error.printStackTrace();
            System.exit(1);
        }
        System.exit(0); // the server's own thread would go on
    }

    /** No more connections; completed when all requests are answered, and none has come for a while. */
    @Override
    public CompletableFuture<Void> stop() {
        socket.accept(false);
        isDraining = true;
        return CompletableFuture.runAsync(() -> {
            long begin = System.nanoTime();
            do pause();
            while (!socket.isIdle() || System.nanoTime() - begin < TimeUnit.MILLISECONDS.toNanos(LAST_REQUESTS_MS));
        });
    }

    @Override
    public void resume() {
        isDraining = false;
        socket.accept(true);
    }

    private static void pause() {
        try {
            Thread.sleep(LOOK_AGAIN_MS);
        } catch (InterruptedException impossible) {
            Thread.currentThread().interrupt();
        }
    }

    private HttpContext watched(HttpContext context) {
        context.getFilters().add(new Filter() {
            @Override
            public void doFilter(HttpExchange exchange, Chain chain) throws IOException {
                if (isDraining) exchange.getResponseHeaders().set("Connection", "close");
                chain.doFilter(exchange);
            }

            @Override
            public String description() {
                return "has a worker that stops say that an answer is the last";
            }
        });
        return context;
    }

    @Override
    public HttpContext createContext(String path, HttpHandler handler) {
        return watched(plain.createContext(path, handler));
    }

    @Override
    public HttpContext createContext(String path) {
        return watched(plain.createContext(path));
    }

    @Override
    public void removeContext(String path) {
        plain.removeContext(path);
    }

    @Override
    public void removeContext(HttpContext context) {
        plain.removeContext(context);
    }

    @Override
    public void setExecutor(Executor executor) {
        plain.setExecutor(executor);
    }

    @Override
    public Executor getExecutor() {
        return plain.getExecutor();
    }

    @Override
    public InetSocketAddress getAddress() {
        return plain.getAddress();
    }

    @Override
    public void stop(int delay) {
        plain.stop(delay);
    }
}
