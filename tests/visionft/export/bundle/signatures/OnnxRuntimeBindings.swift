// What the Swift sample calls of ONNX Runtime, by its signatures alone: for a compiler without the package.

import Foundation

public enum ORTLoggingLevel: Int { case verbose, info, warning }
public enum ORTTensorElementDataType: Int32 { case undefined, float, int8, uInt8 }

public class ORTEnv { public init(loggingLevel: ORTLoggingLevel) throws {} }
public class ORTSessionOptions { public init() throws {} }
public class ORTRunOptions { public init() throws {} }

public class ORTValue {
    public init(tensorData: NSMutableData, elementType: ORTTensorElementDataType, shape: [NSNumber]) throws {}
    public func tensorData() throws -> NSMutableData { fatalError() }
}

public class ORTSession {
    public init(env: ORTEnv, modelPath: String, sessionOptions: ORTSessionOptions?) throws {}
    public func run(
        withInputs inputs: [String: ORTValue], outputNames: Set<String>, runOptions: ORTRunOptions?
    ) throws -> [String: ORTValue] { fatalError() }
}
