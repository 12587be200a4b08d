package droverworker

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

type vector struct {
	Name, Message, Hex string
	JSON               any
}

// The golden frames of proto/vectors/v1: what is legal decodes to its JSON twin, what is refused is refused.
func TestEveryFrameIsDecodedOrRefusedAsItHasToBe(t *testing.T) {
	files, _ := filepath.Glob("../../proto/vectors/v1/*.jsonl")
	passed := 0
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); passed++ {
			var v vector
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			frame, _ := hex.DecodeString(v.Hex)
			decoded, err := decode(v, frame)
			if strings.HasSuffix(name, "refused.jsonl") {
				if err == nil || err == io.ErrUnexpectedEOF {
					t.Errorf("%s is not refused: %v", v.Name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
				continue
			}
			var printed any
			text, _ := protojson.Marshal(decoded)
			json.Unmarshal(text, &printed)
			if !reflect.DeepEqual(printed, v.JSON) {
				t.Errorf("%s: %v instead of %v", v.Name, printed, v.JSON)
			}
			if _, err := decode(v, frame[:len(frame)-1]); err != io.ErrUnexpectedEOF {
				t.Errorf("%s is cut short: %v", v.Name, err)
			}
		}
	}
	t.Logf("%d passed", passed)
}

func decode(v vector, frame []byte) (proto.Message, error) {
	limit := uint32(1_114_112)
	if strings.HasPrefix(v.Message, "Control") {
		limit = 4_194_304
	}
	data, err := readFrame(bytes.NewReader(frame), limit)
	if err != nil {
		return nil, err
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("drover.v1." + v.Message))
	if err != nil {
		return nil, err
	}
	message := kind.New().Interface()
	return message, proto.Unmarshal(data, message)
}
