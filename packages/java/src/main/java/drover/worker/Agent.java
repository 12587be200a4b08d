package drover.worker;

import com.sun.net.httpserver.HttpServer;
import java.lang.instrument.Instrumentation;
import java.util.Map;
import java.util.Set;

/** `java -javaagent:drover-worker.jar`: an HttpServer of the program is a worker, if there is a master. */
public final class Agent {
    private Agent() {}

    /** Runs before the program's main. */
    public static void premain(String arguments, Instrumentation instrumentation) {
        if (System.getenv().getOrDefault("DROVER_SOCKET", "").isEmpty()) return;
        // HttpServer can take over no socket by itself, see AdoptedSocket.
        instrumentation.redefineModule(HttpServer.class.getModule(), Set.of(), Map.of(),
                Map.of("sun.net.httpserver", Set.of(Agent.class.getModule())), Set.of(), Map.of());
        System.setProperty("com.sun.net.httpserver.HttpServerProvider", HttpWorkers.class.getName());
    }
}
