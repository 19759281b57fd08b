// Classify photographs with a model of the export, in an app for iOS or macOS.
//
// Needs the Swift package github.com/microsoft/onnxruntime-swift-package-manager, and the model and labels.txt among
// the app's resources. Use it outside the main thread:
//
//     let classifier = try ImageClassifier()
//     let best = try classifier.classify(photograph).first
//
// Give images of any size to model.onnx, model_int8.onnx or an .ort file; model_fixed.onnx takes its own size alone.

import CoreGraphics
import Foundation
import OnnxRuntimeBindings

struct Answer {
    let className: String
    let probability: Float
}

enum ClassifierError: Error {
    case missing(String)
    case unreadable
}

final class ImageClassifier {
    private let environment: ORTEnv
    private let session: ORTSession
    private let classNames: [String]

    init(model: String = "model", type: String = "onnx", in bundle: Bundle = .main) throws {
        guard let path = bundle.path(forResource: model, ofType: type) else {
            throw ClassifierError.missing("\(model).\(type)")
        }
        guard let labels = bundle.path(forResource: "labels", ofType: "txt") else {
            throw ClassifierError.missing("labels.txt")
        }
        classNames = try String(contentsOfFile: labels, encoding: .utf8)
            .split(separator: "\n").map(String.init)
        environment = try ORTEnv(loggingLevel: ORTLoggingLevel.warning)
        session = try ORTSession(env: environment, modelPath: path, sessionOptions: ORTSessionOptions())
    }

    /// Returns all classes of an upright photograph, the most probable first.
    /// (A UIImage's `cgImage` is as the camera was held: draw it first, or turn it by its `imageOrientation`.)
    func classify(_ photograph: CGImage) throws -> [Answer] {
        let bytes = try rgb(photograph)
        let shape = [1, photograph.height, photograph.width, 3].map { NSNumber(value: $0) }
        let image = try ORTValue(
            tensorData: NSMutableData(data: bytes), elementType: ORTTensorElementDataType.uInt8, shape: shape)
        let results = try session.run(
            withInputs: ["image": image], outputNames: ["probabilities"], runOptions: nil)
        guard let output = results["probabilities"] else { throw ClassifierError.missing("probabilities") }
        let stored = Data(referencing: try output.tensorData())
        let probabilities = stored.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return zip(classNames, probabilities)
            .map { Answer(className: $0, probability: $1) }
            .sorted { $0.probability > $1.probability }
    }

    /// Returns red, green and blue of each pixel, transparent parts on white.
    private func rgb(_ image: CGImage) throws -> Data {
        let width = image.width, height = image.height
        // Its own colours as they are stored, where they are red, green and blue.
        let own = image.colorSpace.flatMap { $0.model == .rgb ? $0 : nil }
        var stored = [UInt8](repeating: 255, count: 4 * width * height)
        let isDrawn = stored.withUnsafeMutableBytes { memory -> Bool in
            guard
                let context = CGContext(
                    data: memory.baseAddress, width: width, height: height, bitsPerComponent: 8,
                    bytesPerRow: 4 * width, space: own ?? CGColorSpaceCreateDeviceRGB(),
                    bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            else { return false }
            context.setFillColor(red: 1, green: 1, blue: 1, alpha: 1)
            let whole = CGRect(x: 0, y: 0, width: width, height: height)
            context.fill(whole)
            context.draw(image, in: whole)
            return true
        }
        guard isDrawn else { throw ClassifierError.unreadable }
        var bytes = Data(capacity: 3 * width * height)
        for pixel in stride(from: 0, to: stored.count, by: 4) {
            bytes.append(contentsOf: stored[pixel..<pixel + 3])
        }
        return bytes
    }
}
