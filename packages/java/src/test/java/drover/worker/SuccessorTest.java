package drover.worker;

import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import drover.v1.Handshake.Hello;
import drover.v1.Handshake.HelloReply;
import drover.v1.Handshake.Limits;
import drover.v1.Handshake.Reject;
import drover.v1.Handshake.RejectCode;
import drover.v1.Handshake.Welcome;
import drover.v1.MessageOuterClass.Reply;
import drover.v1.MessageOuterClass.Scope;
import drover.v1.Worker.*;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A worker whose master goes: it serves on, and connects again to whoever comes after it. `examples/workers/java/run --test-package`. */
final class SuccessorTest {
    private static final long PATIENCE_S = 120;

    /** What a test does with a master and its worker. */
    private interface Test {
        void run(Master master) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        if (args.length > 0) {
            Worker app = new Worker();
            DroverWorker worker = new DroverWorker(app);
            if (args[0].equals("late")) app.reports(worker);
            worker.run();
            System.exit(0);
        }
        // A test that waits for what does not come fails.
        CompletableFuture.delayedExecutor(2 * PATIENCE_S, TimeUnit.SECONDS).execute(() -> {
            System.err.println("the tests take too long");
            Runtime.getRuntime().halt(1);
        });
        searchHasAnEnd();
        List<Test> tests = List.of(SuccessorTest::goesOn, SuccessorTest::saysWhatItCouldNotSay, SuccessorTest::triesAgain, SuccessorTest::leaves,
                SuccessorTest::isWelcomeAtTheSecondTry, SuccessorTest::isNeverWelcomed);
        for (Test test : tests) {
            try (Master master = new Master("worker")) {
                test.run(master);
            }
        }
        try (Master master = new Master("late")) {
            startsForTheSuccessor(master);
        }
        System.out.println(tests.size() + 2 + " passed, 0 failed");
        System.exit(0);
    }

    /** It does what it is asked to, and tells what has become of a request of its own. */
    private static final class Worker implements DroverWorker.App {
        private final CompletableFuture<byte[]> answer = new CompletableFuture<>();

        @Override
        public CompletableFuture<Void> stop() {
            System.out.println("drained");
            return CompletableFuture.completedFuture(null);
        }

        /** How it is, when it reads a line. */
        void reports(DroverWorker worker) throws IOException {
            new BufferedReader(new InputStreamReader(System.in)).readLine();
            worker.status("warm", 3, 0);
            worker.progress();
            System.out.println("said");
        }

        @Override
        public byte[] message(DroverWorker worker, drover.v1.MessageOuterClass.Message message) throws Exception {
            switch (message.getTopic()) {
                case "subscribe" -> worker.subscribe("news");
                case "report" -> reports(worker);
                case "ask" -> {
                    try {
                        answer.complete(worker.request(DroverWorker.message("question", new byte[0], Scope.SCOPE_APP).build()));
                    } catch (DroverWorker.BusException error) {
                        answer.complete((error.code + ": " + error.getMessage()).getBytes());
                    }
                }
                default -> {
                    return answer.get();
                }
            }
            return new byte[0];
        }
    }

    private static void startsForTheSuccessor(Master master) throws Exception {
        master.welcomes();
        master.hangsUp();
        master.letsItReport();
        master.welcomes();
        master.hears(WINDOW, STARTED, WARM, GOES_ON);
        master.pings(1);
    }

    private static void isWelcomeAtTheSecondTry(Master master) throws Exception {
        Hello first = master.accepts();
        master.hangsUp();
        equal(first, master.welcomes());
        master.hears(WINDOW, STARTED);
        master.pings(1);
    }

    private static void isNeverWelcomed(Master master) throws Exception {
        for (int tries = 0; tries <= 3; tries++) {
            master.accepts();
            master.hangsUp();
        }
        equal(1, master.worker.waitFor());
    }

    private static void goesOn(Master master) throws Exception {
        Hello first = master.welcomes();
        equal(List.of("secret", (int) master.worker.pid()), List.of(first.getToken(), first.getPid()));
        master.hears(WINDOW, STARTED);
        master.asks(1, "subscribe");
        master.hears(subscribe().setSeq(1).setExpectsReply(true));
        master.says(MasterFrame.newBuilder().setReplyTo(1).setAccepted(drover.v1.MessageOuterClass.Accepted.getDefaultInstance()));
        master.hears(frame().setReplyTo(1).setReply(Reply.getDefaultInstance()));
        // It asks, and does not answer before it is answered.
        master.asks(2, "ask");
        master.hears(frame().setSeq(2).setExpectsReply(true)
                .setMessage(drover.v1.MessageOuterClass.Message.newBuilder().setTopic("question").setScope(Scope.SCOPE_APP)));
        master.hangsUp();
        // A keeper holds the socket, and nobody accepts for a while.
        Thread.sleep(300);
        equal(first, master.welcomes());
        master.hears(WINDOW, subscribe(), STARTED);
        master.asks(1, "answer");
        ByteString failed = ByteString.copyFromUtf8("FAILED: the connection to the master has ended");
        master.hears(frame().setReplyTo(1).setReply(Reply.newBuilder().setPayload(failed)));
        master.pings(2);
        // What is open comes again with another number.
        for (long seq : new long[] {3, 9}) {
            if (seq == 9) {
                master.hangsUp();
                master.welcomes();
                master.hears(WINDOW, subscribe());
            }
            master.says(MasterFrame.newBuilder().setSeq(seq).setStop(Stop.newBuilder().setDeadlineMs(1000)));
            master.hears(frame().setReplyTo(seq).setStopped(Stopped.getDefaultInstance()));
        }
        master.says(MasterFrame.newBuilder().setSeq(10).setQuit(Quit.newBuilder().setDeadlineMs(1000)));
        master.hears(frame().setReplyTo(10).setShutDown(ShutDown.getDefaultInstance()));
        master.seesItLeave();
    }

    private static void saysWhatItCouldNotSay(Master master) throws Exception {
        master.welcomes();
        master.hears(WINDOW, STARTED);
        master.asks(1, "report");
        master.pings(2);
        master.hangsUp();
        master.letsItReport();
        master.welcomes();
        master.hears(WINDOW, STARTED, WARM, GOES_ON);
        master.pings(1);
    }

    private static void triesAgain(Master master) throws Exception {
        master.welcomes();
        master.hears(WINDOW, STARTED);
        master.hangsUp();
        // For as long as the end of the old connection was not noticed.
        master.rejects(RejectCode.REJECT_CODE_TOKEN_IN_USE);
        master.hangsUp();
        master.accepts();
        master.hangsUp();
        master.welcomes();
        master.hears(WINDOW, STARTED);
        master.pings(1);
        master.hangsUp();
        master.rejects(RejectCode.REJECT_CODE_UNKNOWN_TOKEN);
        master.seesItLeave();
    }

    private static void leaves(Master master) throws Exception {
        master.welcomes();
        master.hears(WINDOW, STARTED);
        master.isGone();
        master.seesItLeave();
    }

    private static void searchHasAnEnd() {
        long[] pauses = {10, 50, 100, 200, 200, 200, 200, -1};
        long[] few = {10, 50, 100, 200, -1};
        check("nobody holds the socket", 25_000, false, pauses, 25_000);
        check("nor for half the grace", 1000, false, few, 1000);
        check("somebody does, and nobody comes", 1000, true, pauses, 1960);
        equal(1000L, Search.grace(0, 3));
        equal(Search.grace(-1, 0), Search.grace(1, Long.MAX_VALUE));
    }

    private static void check(String name, long grace, boolean isHeld, long[] pauses, long leavesBy) {
        long now = 0;
        Search search = new Search(now, grace);
        if (isHeld) search.isHeld();
        for (long expected : pauses) {
            OptionalLong pause = isHeld ? search.failed(now) : search.refused(now);
            equal(name + expected, name + pause.orElse(-1));
            now += pause.orElse(0);
        }
        equal(leavesBy, search.leavesBy(now));
    }

    private static final WorkerFrame.Builder WINDOW = frame().setConsumed(Consumed.newBuilder().setWindow(1 << 20));

    /** Said to each master: whoever heard it first may have died before that was written down. */
    private static final WorkerFrame.Builder STARTED = frame().setStarted(Started.getDefaultInstance());
    private static final WorkerFrame.Builder WARM = frame().setStatus(Status.newBuilder().setText("warm").setInFlight(3));
    private static final WorkerFrame.Builder GOES_ON = frame().setProgress(Progress.getDefaultInstance());

    private static WorkerFrame.Builder frame() {
        return WorkerFrame.newBuilder();
    }

    private static WorkerFrame.Builder subscribe() {
        return frame().setSubscribe(Subscribe.newBuilder().setTopic("news"));
    }

    private static void equal(Object expected, Object found) {
        if (!expected.equals(found)) throw new AssertionError(found + " instead of " + expected);
    }

    /** One that says what a test wants; with the worker that it has started. */
    private static final class Master implements AutoCloseable {
        final Process worker;
        private final Path folder = Files.createTempDirectory("drover");
        private final Path path = folder.resolve("socket");
        private final ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        private final BufferedReader said;
        private SocketChannel peer;

        Master(String word) throws IOException {
            listener.bind(UnixDomainSocketAddress.of(path));
            ProcessBuilder program = new ProcessBuilder(ProcessHandle.current().info().command().orElse("java"), "-XX:TieredStopAtLevel=1",
                    "-cp", System.getProperty("java.class.path"), "drover.worker.SuccessorTest", word);
            program.environment().put("DROVER_SOCKET", path.toString());
            program.environment().put("DROVER_TOKEN", "secret");
            worker = program.redirectError(ProcessBuilder.Redirect.INHERIT).start();
            said = worker.inputReader();
        }

        /** Takes a connection; what the worker says of itself. */
        Hello accepts() throws IOException {
            peer = listener.accept();
            return Hello.parseFrom(next());
        }

        Hello welcomes() throws IOException {
            Hello hello = accepts();
            Limits.Builder limits = Limits.newBuilder().setMaxFrameBytes(1_114_112).setDrainTimeoutMs(300_000).setQuitTimeoutMs(300_000);
            write(HelloReply.newBuilder().setWelcome(Welcome.newBuilder().setVersion(1).setLimits(limits).addAllCapabilities(List.of("bus", "app"))));
            return hello;
        }

        void rejects(RejectCode code) throws IOException {
            accepts();
            write(HelloReply.newBuilder().setReject(Reject.newBuilder().setCode(code).setMessage("no")));
        }

        void says(MasterFrame.Builder frame) throws IOException {
            write(frame);
        }

        /** Exactly these are what comes next. */
        void hears(WorkerFrame.Builder... frames) throws IOException {
            for (WorkerFrame.Builder frame : frames) equal(frame.build(), WorkerFrame.parseFrom(next()));
        }

        /** And nothing was said before. */
        void pings(long seq) throws IOException {
            says(MasterFrame.newBuilder().setSeq(seq).setExpectsReply(true).setPing(Ping.getDefaultInstance()));
            hears(frame().setReplyTo(seq).setPong(Pong.getDefaultInstance()));
        }

        void asks(long seq, String topic) throws IOException {
            says(MasterFrame.newBuilder().setSeq(seq).setExpectsReply(true)
                    .setMessage(drover.v1.MessageOuterClass.Message.newBuilder().setTopic(topic)));
        }

        void hangsUp() throws IOException {
            if (peer != null) peer.close();
        }

        /** Nobody holds the socket any more. */
        void isGone() throws IOException {
            listener.close();
            Files.deleteIfExists(path);
            hangsUp();
        }

        void letsItReport() throws IOException {
            worker.outputWriter().append("\n").flush();
            equal("said", said.readLine());
        }

        void seesItLeave() throws Exception {
            equal(true, worker.waitFor(PATIENCE_S, TimeUnit.SECONDS));
            equal(List.of("drained", 0), Arrays.asList(said.readLine(), worker.exitValue()));
        }

        @Override
        public void close() throws IOException {
            worker.destroyForcibly();
            isGone();
            Files.delete(folder);
        }

        private ByteString next() throws IOException {
            ByteBuffer header = ByteBuffer.wrap(exactly(4));
            return ByteString.copyFrom(exactly(header.getInt()));
        }

        private byte[] exactly(int count) throws IOException {
            ByteBuffer bytes = ByteBuffer.allocate(count);
            while (bytes.hasRemaining()) {
                if (peer.read(bytes) < 0) throw new IOException("the worker has hung up");
            }
            return bytes.array();
        }

        private void write(Message.Builder message) throws IOException {
            peer.write(Frames.encode(message.build()));
        }
    }
}
