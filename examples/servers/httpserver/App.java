import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;

public final class App {
    private static final String WORKER = ProcessHandle.current().pid() + " " + System.getenv().getOrDefault("DROVER_GENERATION", "0");

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 8000), 1024);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/echo", App::echo);
        server.start();
    }

    /** Says back `text`, after `ms` milliseconds. */
    private static void echo(HttpExchange exchange) throws IOException {
        Map<String, String> query = new HashMap<>();
        for (String pair : exchange.getRequestURI().getRawQuery().split("&")) {
            String[] parts = pair.split("=", 2);
            query.put(parts[0], URLDecoder.decode(parts[parts.length - 1], StandardCharsets.UTF_8));
        }
        try {
            Thread.sleep(Long.parseLong(query.getOrDefault("ms", "0")));
        } catch (InterruptedException impossible) {
            Thread.currentThread().interrupt();
        }
        byte[] body = query.getOrDefault("text", "hello").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("X-Worker", WORKER);
        exchange.sendResponseHeaders(200, body.length);
        try (exchange) {
            exchange.getResponseBody().write(body);
        }
    }
}
