import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { cancelledError } from "./error.ts";
import { toGrpcError } from "./grpc-status.ts";
import type { Address } from "./options.ts";

type GrpcAddress = Extract<Address, { transport: "grpc" }>;

/** A connection to one server on which methods of protobuf-es services can be called. Close it when done. */
export class GrpcChannel {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor({ target, secure }: GrpcAddress, token?: string) {
    this.#client = new Client(target, secure ? credentials.createSsl() : credentials.createInsecure(), {
      "grpc.max_send_message_length": 16 << 20,
      "grpc.max_receive_message_length": 16 << 20,
    });
    if (token !== undefined) this.#metadata.set("authorization", `Bearer ${token}`);
  }

  duplex<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodBiDiStreaming<In, Out>,
  ): ClientDuplexStream<MessageShape<In>, MessageShape<Out>> {
    return this.#client.makeBidiStreamRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      this.#metadata,
    );
  }

  download<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodServerStreaming<In, Out>,
    request: MessageInitShape<In>,
  ): ClientReadableStream<MessageShape<Out>> {
    return this.#client.makeServerStreamRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      create(method.input, request),
      this.#metadata,
    );
  }

  /** Rejects with an EarwitnessError. */
  unary<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodUnary<In, Out>,
    request: MessageInitShape<In>,
    signal?: AbortSignal,
  ): Promise<MessageShape<Out>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(cancelledError(signal.reason));
        return;
      }
      const options: CallOptions = {};
      const abort = () => call.cancel();
      const answer = (error: ServiceError | null, response?: MessageShape<Out>) => {
        signal?.removeEventListener("abort", abort);
        if (signal?.aborted === true) reject(cancelledError(signal.reason));
        else if (error) reject(toGrpcError(error));
        else if (response) resolve(response);
      };
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        serializer(method.input),
        deserializer(method.output),
        create(method.input, request),
        this.#metadata,
        options,
        answer,
      );
      signal?.addEventListener("abort", abort);
    });
  }

  close(): void {
    this.#client.close();
  }
}

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

const serializer =
  <Desc extends DescMessage>(schema: Desc) =>
  (message: MessageShape<Desc>): Buffer => {
    const encoded = toBinary(schema, message);
    return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  };

const deserializer =
  <Desc extends DescMessage>(schema: Desc) =>
  (wire: Buffer): MessageShape<Desc> =>
    fromBinary(schema, wire);
