import { toBinary, type DescFile } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { service as health } from "grpc-health-check";
import { SpoofDetection } from "../../gen/earwitness/v1/earwitness_pb.ts";

type Definition = ConstructorParameters<typeof ReflectionService>[0][string];

/** Lets tools such as grpcurl ask for the schema: of this service and of health. */
export function addReflection(server: Server): void {
  const definitions: Record<string, Definition> = { [SpoofDetection.typeName]: ownTypes() };
  for (const [name, method] of Object.entries(health)) definitions[name] = method.requestType;
  new ReflectionService(definitions).addToServer(server);
}

/** The shape in which reflection looks for descriptors; of the rest of it nothing is read. */
function ownTypes(): Definition {
  return {
    format: "Protocol Buffer 3 DescriptorProto",
    type: {},
    fileDescriptorProtos: withDependencies(SpoofDetection.file).map((file) =>
      Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)),
    ),
  };
}

/** A file after everything that it imports. */
const withDependencies = (file: DescFile): readonly DescFile[] => [
  ...new Set([...file.dependencies.flatMap(withDependencies), file]),
];
