"""The golden frames of proto/vectors/v1: what is legal decodes to its JSON twin, what is refused is refused. `./run -m unittest` runs it."""
import json, unittest
from pathlib import Path
from google.protobuf import json_format
from drover_worker import frames

VECTORS = Path(__file__).parent / "proto" / "vectors" / "v1"

def decode(vector, frame):
    """The message in a frame; None if it is cut short."""
    limit = 4_194_304 if vector["message"].startswith("Control") else 1_114_112
    length = frames.body_length(frame[:4], limit)
    if len(frame) < 4 + length:
        return None
    return frames.decode(frames.message_type(vector["message"]), frame[4:4 + length])

class Vectors(unittest.TestCase):
    def test_every_frame_is_decoded_or_refused_as_it_has_to_be(self):
        files = sorted(VECTORS.glob("*.jsonl"))
        passed = 0
        for file in files:
            for line in file.read_text(encoding="utf-8").splitlines():
                vector = json.loads(line)
                frame = bytes.fromhex(vector["hex"])
                passed += 1
                with self.subTest(file=file.name, name=vector["name"]):
                    if file.name == "refused.jsonl":
                        self.assertRaises(frames.NotAFrame, decode, vector, frame)
                        continue
                    decoded = decode(vector, frame)
                    self.assertIsNone(decode(vector, frame[:-1]))
                    decoded.DiscardUnknownFields()
                    self.assertEqual(decoded, json_format.ParseDict(vector["json"], type(decoded)()))
                    self.assertEqual(json_format.MessageToDict(decoded), vector["json"])
        print(f"{passed} passed")

if __name__ == "__main__":
    unittest.main()
