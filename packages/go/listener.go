package droverworker

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Listener is the master's socket of this name, or the only one if the name is empty; without a master one that listens on otherwise.
// Closed at a stop, it can be had again.
func (w *Worker) Listener(name, otherwise string) (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return net.Listen("tcp", otherwise)
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	if name == "" && len(names) != 1 {
		return nil, fmt.Errorf("the master has handed over the sockets %s: say which", strings.Join(names, ", "))
	}
	for index, known := range names {
		if known != name && name != "" {
			continue
		}
		// A duplicate, so that the descriptor itself is there for the next time; no child inherits either.
		syscall.CloseOnExec(3 + index)
		fd, err := syscall.Dup(3 + index)
		if err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(fd), known)
		defer file.Close() // FileListener has one of its own
		return net.FileListener(file)
	}
	return nil, fmt.Errorf("the master has handed over no socket %q (LISTEN_FDNAMES is %q)", name, os.Getenv("LISTEN_FDNAMES"))
}
